;; Control flow: the number of arguments, less one, says what to do, and twice.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (table $t funcref (elem $leaf $twice $deep))
  (type $unary (func (param i32) (result i32)))
  (global $g (mut i32) (i32.const 5))
  (func $leaf (type $unary) (i32.add (local.get 0) (i32.const 1)))
  (func $twice (type $unary) (call $leaf (call $leaf (local.get 0))))
  (func $deep (type $unary)
    (if (result i32) (local.get 0)
      (then (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
      (else (i32.const 0))))
  (func $even (param i32) (result i32)
    (if (result i32) (local.get 0) (then (call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 1))))
  (func $odd (param i32) (result i32)
    (if (result i32) (local.get 0) (then (call $even (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0))))
  (func $pair (param i32) (result i32 i64) local.get 0 i64.const 9)
  (func $work (param $what i32) (local $i i32) (local $sum i32)
    block $9 block $8 block $7 block $6 block $5 block $4 block $3 block $2 block $1 block $0
      local.get $what
      br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9
    end ;; 0: nothing
      return
    end ;; 1: an if with else, both arms
      (local.set $sum (if (result i32) (global.get $g) (then (i32.const 1)) (else (i32.add (i32.const 2) (i32.const 3)))))
      (global.set $g (i32.const 0))
      (local.set $sum (if (result i32) (global.get $g) (then (i32.const 1)) (else (i32.add (i32.const 2) (i32.const 3)))))
      return
    end ;; 2: an if without else, taken and not
      (if (local.get $what) (then (local.set $sum (i32.const 1))))
      (if (i32.eqz (local.get $what)) (then (local.set $sum (i32.const 2))))
      return
    end ;; 3: a loop in a loop, left in the middle
      (block $out
        (loop $outer
          (local.set $sum (i32.const 0))
          (loop $inner
            (br_if $out (i32.gt_u (local.get $i) (i32.const 40)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $inner (i32.lt_u (local.tee $sum (i32.add (local.get $sum) (i32.const 1))) (i32.const 10))))
          (br $outer)))
      return
    end ;; 4: br_table in a loop
      (loop $top
        (block $c (block $b (block $a
          (br_table $a $b $c (i32.rem_u (local.get $i) (i32.const 4))))
          (local.set $sum (i32.add (local.get $sum) (i32.const 1))))
          (local.set $sum (i32.add (local.get $sum) (i32.add (i32.const 2) (i32.const 3)))))
        (br_if $top (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20))))
      return
    end ;; 5: calls, of leaves too
      (drop (call $twice (call $leaf (local.get $what))))
      return
    end ;; 6: calls by table
      (drop (call_indirect (type $unary) (i32.const 7) (i32.const 0)))
      (drop (call_indirect (type $unary) (i32.const 7) (i32.const 1)))
      (drop (call_indirect (type $unary) (i32.const 7) (i32.const 2)))
      return
    end ;; 7: recursion, to oneself and mutual
      (drop (call $deep (i32.const 100)))
      (drop (call $even (i32.const 51)))
      return
    end ;; 8: code that nothing reaches, a loop that nothing goes back to, several results
      (loop (br_if 1 (i32.const 0)))
      (block (br 0) (drop (i32.add (i32.const 1) (i32.const 2))) (loop (br 0)))
      (call $pair (i32.const 3)) drop drop
      return
    end ;; 9: select, references, tables
      (drop (select (i32.const 1) (i32.const 2) (local.get $what)))
      (drop (select (result i64) (i64.const 1) (i64.const 2) (local.get $what)))
      (drop (ref.is_null (table.get $t (i32.const 0))))
      (table.set $t (i32.const 0) (ref.func $twice))
      (drop (table.size $t)))
  (func (export "_start") (local $n i32)
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (local.set $n (i32.sub (i32.load (i32.const 0)) (i32.const 1)))
    (call $work (local.get $n))
    (call $work (local.get $n)))
)
