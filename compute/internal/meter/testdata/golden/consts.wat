;; Extended constant expressions, which cost nothing. Made with wat2wasm
;; --enable-extended-const.
(module
  (memory 1)
  (global $a i32 (i32.add (i32.const 20) (i32.mul (i32.const 4) (i32.const 3))))
  (global $b i64 (i64.sub (i64.const 5) (i64.mul (i64.const -2) (i64.add (i64.const 1) (i64.const 2)))))
  (data (i32.sub (i32.const 10) (i32.const 2)) "eight")
  (table $t 10 funcref)
  (elem (i32.add (i32.const 1) (i32.const 2)) $f)
  (func $f (export "a") (result i32) (global.get $a))                               ;; 2
  (func (export "b") (result i64) (global.get $b))                                  ;; 2
  (func (export "data") (result i32) (i32.load8_u (i32.const 8)))                   ;; 3
  (func (export "elem") (result i32) (call_indirect (result i32) (i32.const 3)))    ;; 5
)
