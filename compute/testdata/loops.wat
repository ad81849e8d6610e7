;; Goes on for ever, in the way that the number of arguments says.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (start $init)
  (func $argc (result i32)
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (i32.load (i32.const 0)))
  (func $init
    ;; 1: in the start function
    (if (i32.eq (call $argc) (i32.const 1)) (then (loop $l (br $l)))))
  (func $even (param $n i32) (result i32)
    (if (result i32) (local.get $n)
      (then (call $odd (i32.sub (local.get $n) (i32.const 1))))
      (else (i32.const 1))))
  (func $odd (param $n i32) (result i32)
    (if (result i32) (local.get $n)
      (then (call $even (i32.sub (local.get $n) (i32.const 1))))
      (else (i32.const 0))))
  (func $tail (return_call $tail))
  (func (export "_start") (local $i i32)
    ;; 4: a tail call
    (if (i32.eq (call $argc) (i32.const 4)) (then (call $tail)))
    (if (i32.eq (call $argc) (i32.const 2))
      (then
        ;; 2: br_table
        (loop $a
          (loop $b
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_table $a $b $a $b $a (i32.and (local.get $i) (i32.const 7)))))))
    ;; 3: mutual recursion
    (loop $l
      (drop (call $even (i32.const 1001)))
      (br $l))))
