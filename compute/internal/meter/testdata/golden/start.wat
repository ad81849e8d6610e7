;; A start function is metered, by an export of its own.
(module
  (global $g (mut i32) (i32.const 0))
  (func $start (loop (global.set $g (i32.add (global.get $g) (i32.const 1)))
    (br_if 0 (i32.lt_u (global.get $g) (i32.const 10)))))
  (start $start)
  (func (export "get") (result i32) (global.get $g))
)
