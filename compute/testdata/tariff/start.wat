;; A start function runs, and pays, before _start. There is no memory, which a
;; host call that needs one cannot use.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (global $g (mut i32) (i32.const 0))
  (func $start (loop (global.set $g (i32.add (global.get $g) (i32.const 1)))
    (br_if 0 (i32.lt_u (global.get $g) (i32.const 1000)))))
  (start $start)
  (func (export "_start")
    (if (i32.ne (global.get $g) (i32.const 1000)) (then unreachable))
    (if (i32.ne (call $sizes (i32.const 0) (i32.const 4)) (i32.const 21)) (then unreachable)))
)
