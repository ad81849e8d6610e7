;; Ends in the way that the number of arguments says.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (table 4 funcref)
  (elem (i32.const 0) $one)
  (type $none (func))
  (type $some (func (param i32)))
  (func $one)
  (func $deep (call $deep))
  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (block $11 (block $10 (block $9 (block $8 (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9 $10 $11 (i32.load (i32.const 0))))
      ;; 0: returns
      (return))
      ;; 1
      (unreachable))
      ;; 2: memory
      (drop (i32.load (i32.const 65533))) (return))
      ;; 3: table index
      (call_indirect (type $none) (i32.const 9)) (return))
      ;; 4: null function
      (call_indirect (type $none) (i32.const 1)) (return))
      ;; 5: type of function
      (call_indirect (type $some) (i32.const 1) (i32.const 0)) (return))
      ;; 6: division by zero
      (drop (i32.div_s (i32.const 1) (i32.load (i32.const 100)))) (return))
      ;; 7: integer overflow
      (drop (i32.div_s (i32.const 0x80000000) (i32.sub (i32.load (i32.const 100)) (i32.const 1)))) (return))
      ;; 8: not a number
      (drop (i32.trunc_f64_s (f64.sqrt (f64.convert_i32_s (i32.sub (i32.load (i32.const 100)) (i32.const 1)))))) (return))
      ;; 9: depth
      (call $deep) (return))
      ;; 10: exit code
      (call $exit (i32.const 0xfffffffe)))
    ;; 11: for ever
    (loop (br 0))))
