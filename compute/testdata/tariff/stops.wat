;; Ends of every kind: the number of arguments, less one, says which.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (table 4 funcref)
  (elem (i32.const 0) $one)
  (type $none (func))
  (type $some (func (param i32)))
  (func $one)
  (func $deep (param i32) (result i32)                      ;; weight 1
    (if (result i32) (local.get 0)
      (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
      (else (i32.const 0))))
  (func $wide (param i32) (result i32)                      ;; 17 values twice, for the vectors: weight 3
    (local v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128)
    (if (result i32) (local.get 0)
      (then (i32.add (call $wide (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
      (else (i32.const 0))))
  (func $work (param $what i32) (local $zero i32)
    block $13 block $12 block $11 block $10 block $9 block $8 block $7 block $6 block $5 block $4 block $3 block $2 block $1 block $0
      local.get $what
      br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9 $10 $11 $12 $13
    end ;; 0: returns
      return
    end ;; 1: exits
      (call $exit (i32.const 3))
    end ;; 2
      unreachable
    end ;; 3: a trap half way has paid for its whole run
      (drop (i32.load (i32.const 65533)))
      (drop (i32.add (i32.const 1) (i32.add (i32.const 2) (i32.const 3))))
      return
    end ;; 4: no such entry
      (call_indirect (type $none) (i32.const 9))
      return
    end ;; 5: a null function
      (call_indirect (type $none) (i32.const 1))
      return
    end ;; 6: another type
      (call_indirect (type $some) (i32.const 1) (i32.const 0))
      return
    end ;; 7
      (drop (i32.div_s (i32.const 1) (local.get $zero)))
      return
    end ;; 8
      (drop (i32.div_s (i32.const 0x80000000) (i32.sub (local.get $zero) (i32.const 1))))
      return
    end ;; 9
      (drop (i32.trunc_f64_s (f64.const 3e9)))
      return
    end ;; 10: 1 for each turn
      (loop (br 0))
    end ;; 11: calls to a depth of 100, in frames of weight 1
      (drop (call $deep (i32.const 99)))
      return
    end ;; 12: the same with frames of weight 3
      (drop (call $wide (i32.const 99)))
      return
    end ;; 13: host calls for ever
      (loop (drop (call $random (i32.const 0) (i32.const 100))) (br 0)))
  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (call $work (i32.sub (i32.load (i32.const 0)) (i32.const 1))))
)
