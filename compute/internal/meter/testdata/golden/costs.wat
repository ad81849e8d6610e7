;; What instructions cost: 1, but for the free ones, and 1 for each entry.
(module
  (memory 1)
  (table 1 funcref)
  (elem declare func $empty)
  (global $g (mut i32) (i32.const 0))
  (func $empty (export "empty"))                                        ;; 1
  (func (export "nops") nop nop nop)                                    ;; 1
  (func (export "drop") i32.const 0 drop)                               ;; 2
  (func (export "block") (block (block)) (loop))                        ;; 1
  (func (export "unreachable") i32.const 0 drop unreachable)            ;; 2, traps
  (func (export "return") i32.const 0 drop return i32.const 0 drop)     ;; 2
  (func (export "then") (result i32)                                    ;; 4: entry, const, if, const
    (if (result i32) (i32.const 1) (then i32.const 7) (else i32.const 8 i32.const 9 i32.add)))
  (func (export "else") (result i32)                                    ;; 6
    (if (result i32) (i32.const 0) (then i32.const 7) (else i32.const 8 i32.const 9 i32.add)))
  (func (export "skip") (if (i32.const 0) (then nop (drop (i32.const 1)))))  ;; 3
  (func (export "br") (block (br 0) (drop (i32.const 0))))              ;; 2
  (func (export "br_if taken") (block (br_if 0 (i32.const 1)) (drop (i32.const 0))))  ;; 3
  (func (export "br_if not") (block (br_if 0 (i32.const 0)) (drop (i32.const 0))))    ;; 4
  (func (export "br_table") (param i32) (result i32)                    ;; 3 + 2, 1 or 0
    (block $a (block $b (block $c (br_table $c $b $a (local.get 0)))
      (return (i32.add (i32.const 1) (i32.const 2))))
      (return (i32.const 9)))
    i32.const 5)
  (func (export "call") call $empty)                                    ;; 3
  (func (export "locals") (param i32) local.get 0 local.tee 0 local.set 0)  ;; 4
  (func (export "globals") global.get $g global.set $g)                 ;; 3
  (func (export "memory") (i32.store (i32.const 8) (i32.load (i32.const 0))))  ;; 5
  (func (export "size") (drop (memory.size)))                           ;; 2
  (func (export "select") (drop (select (i32.const 1) (i32.const 2) (i32.const 0))))  ;; 5
  (func (export "select t") (drop (select (result i32) (i32.const 1) (i32.const 2) (i32.const 0))))  ;; 5
  (func (export "refs") (drop (ref.is_null (ref.func $empty))) (drop (ref.null extern)))  ;; 4
  (func (export "saturate") (drop (i32.trunc_sat_f64_s (f64.const nan))))  ;; 3
  (func (export "extend") (drop (i64.extend8_s (i64.const 200))))       ;; 3
  (func (export "vector") (drop (i32x4.add (v128.const i64x2 0 0) (i32x4.splat (i32.const 3)))))  ;; 5
  (func (export "arithmetic") (param i32) (result i64)                  ;; 6
    (i64.mul (i64.extend_i32_u (local.get 0)) (i64.const 3)) i64.popcnt)
)
