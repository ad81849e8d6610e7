;; Where a guest stops: at the first check that finds more paid than the limit.
(module
  (import "env" "probe" (func $probe))
  (memory 1)
  (func (export "forever") (loop (br 0)))                       ;; 1, then 1 each time
  (func (export "count") (param i32) (result i32)               ;; 1, then 5 each time, then 1
    (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    local.get 0)
  (func $recurse (export "recurse") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (call $recurse (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
      (else (i32.const 0))))
  (func $deep (export "deep") (param i32) (result i32)          ;; 70 locals: weight 5
    (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
           i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
           i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
    (if (result i32) (local.get 0)
      (then (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
      (else (i32.const 0))))
  (func $leaf (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func (export "leaves") (param i32) (result i32)              ;; leaves pay, but do not check
    (call $leaf (call $leaf (call $leaf (local.get 0)))))
  (func $inner (call $probe))
  (func (export "middle") (call $inner) (call $inner) (drop (i32.const 0)))
  (func (export "fill") (param i32) (memory.fill (i32.const 0) (i32.const 1) (local.get 0)))
  (func (export "load") (param i32) (result i32)                ;; a trap half way has paid its run
    (i32.load (local.get 0)) i32.const 1 i32.add i32.const 2 i32.add)
  (func (export "divide") (param i32) (result i32)
    (block (br_if 0 (i32.const 1)))
    (i32.div_u (i32.const 1) (local.get 0)))
)
