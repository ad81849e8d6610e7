;; Extended constant expressions cost nothing. Made with wat2wasm
;; --enable-extended-const.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $text i32 (i32.add (i32.const 10) (i32.mul (i32.const 3) (i32.const 2))))
  (global $length i64 (i64.sub (i64.const 12) (i64.mul (i64.const 2) (i64.add (i64.const 1) (i64.const 1)))))
  (data (i32.sub (i32.const 20) (i32.const 4)) "constant")
  (table funcref (elem))
  (func (export "_start")
    (i32.store (i32.const 0) (global.get $text))
    (i32.store (i32.const 4) (i32.wrap_i64 (global.get $length)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
)
