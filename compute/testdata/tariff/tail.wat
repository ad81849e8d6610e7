;; Tail calls: the number of arguments, less one, says which. Made with wat2wasm
;; --enable-tail-call.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (type $unary (func (param i32) (result i32)))
  (table $t funcref (elem $even $odd $spin))
  (func $even (type $unary)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
    (return_call $odd (i32.sub (local.get 0) (i32.const 1))))
  (func $odd (type $unary)
    (if (result i32) (local.get 0)
      (then (return_call $even (i32.sub (local.get 0) (i32.const 1))))
      (else (i32.const 0))))
  (func $spin (type $unary) (return_call_indirect (type $unary) (local.get 0) (i32.const 2)))
  (func $seven (param i32 i32 i32 i32 i32 i32 i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (local.get 6))))
    (return_call $seven (i32.sub (local.get 0) (i32.const 1)) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6)))
  (func $host (type $unary) (return_call $sizes (local.get 0) (i32.const 8)))
  (func $work (param $what i32)
    block $5 block $4 block $3 block $2 block $1 block $0
      local.get $what
      br_table $0 $1 $2 $3 $4 $5
    end ;; 0: 10,000 turns, at the depth of one
      (drop (call $even (i32.const 10000)))
      return
    end ;; 1: for ever
      (drop (call $spin (i32.const 1)))
      return
    end ;; 2: seven parameters keep their frames: 100 of them
      (drop (call $seven (i32.const 99) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6)))
      return
    end ;; 3: 10,000 of them are too deep
      (drop (call $seven (i32.const 9999) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6)))
      return
    end ;; 4: to the host
      (drop (call $host (i32.const 4)))
      return
    end ;; 5: a function of another type
      (return_call_indirect (param i64) (i64.const 0) (i32.const 0)))
  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (call $work (i32.sub (i32.load (i32.const 0)) (i32.const 1))))
)
