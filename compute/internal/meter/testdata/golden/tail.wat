;; Tail calls: each costs 1, and the callee's entry 1. Made with wat2wasm
;; --enable-tail-call.
(module
  (import "env" "probe" (func $probe))
  (memory 1)
  (type $none (func))
  (type $unary (func (param i32) (result i32)))
  (table $t funcref (elem $even $odd $loop1 $loop2 $probe))
  (func $even (export "even") (type $unary)                     ;; 7 or 4 for each number
    (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
    (return_call $odd (i32.sub (local.get 0) (i32.const 1))))
  (func $odd (type $unary)
    (if (result i32) (local.get 0)
      (then (return_call $even (i32.sub (local.get 0) (i32.const 1))))
      (else (i32.const 0))))
  (func (export "even by table") (type $unary) (return_call_indirect (type $unary) (local.get 0) (i32.const 0)))
  (func $loop1 (export "forever") return_call $loop2)
  (func $loop2 return_call $loop1)
  (func $turn (export "forever by table") (return_call_indirect (type $none) (i32.const 2)))
  (func $six (export "six") (param i32 i64 i32 i64 i32 i32) (result i32)   ;; what fits registers replaces its frame
    (if (i32.eqz (local.get 0)) (then (return (local.get 5))))
    (return_call $six (i32.sub (local.get 0) (i32.const 1)) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)))
  (func $seven (export "seven") (param i32 i32 i32 i32 i32 i32 i32) (result i32)  ;; one more keeps it
    (if (i32.eqz (local.get 0)) (then (return (local.get 6))))
    i64.const 1
    (return_call $seven (i32.sub (local.get 0) (i32.const 1)) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6)))
  (func $nine (export "nine") (param i32 f64 f32 f64 f32 f64 f32 f64 f32 f64) (result f64)
    (if (i32.eqz (local.get 0)) (then (return (local.get 9))))
    (return_call $nine (i32.sub (local.get 0) (i32.const 1)) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
      (local.get 5) (local.get 6) (local.get 7) (local.get 8) (local.get 9)))
  (func $many (export "many results") (param i32) (result i32 i32 i32 i32 i32 i32 i32 i32 i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5)
      (i32.const 6) (i32.const 7) (i32.const 8) (i32.const 9))))
    (return_call $many (i32.sub (local.get 0) (i32.const 1))))
  (func (export "host") call $probe return_call $probe)
  (func (export "host by table") call $probe (return_call_indirect (type $none) (i32.const 4)))
  (func (export "null") (return_call_indirect (type $none) (i32.const 5)))
  (func (export "mistyped") (return_call_indirect (type $none) (i32.const 0)))
  ;; a frame of weight 5 gives way to one of weight 1, which calls to a depth
  (func $heavy (param i32) (result i32)
    (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
           i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
           i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
    (return_call $deep (local.get 0)))
  (func $deep (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
      (else (i32.const 0))))
  (func $light (param i32) (result i32) (return_call $heavy (local.get 0)))
  (func (export "weights") (param i32) (result i32)
    (i32.add (call $light (local.get 0)) (call $light (local.get 0))))
  ;; behind an arm that leaves by a tail call nothing is merged
  (func (export "arm") (param i32) (result i32)
    (block
      (if (local.get 0) (then (return_call $odd (i32.const 0))))
      (drop (i32.add (i32.const 1) (i32.const 2))))
    call $probe
    (drop (i32.const 3))
    i32.const 4)
  (func (export "dead") (result i32)
    (return_call $odd (i32.const 0)) (loop (br 0)) (return_call $even (i32.const 1)))
  (func (export "stacked") (result i32)
    i32.const 1
    (block (result i64) i64.const 2 (loop i32.const 3 (br_if 0 (i32.const 0)) i32.const 4 return_call $odd))
    drop)
  ;; what arithmetic made is canonical when it is passed, what was copied keeps its bits
  (func $bits (param f64 f64) (result i64)
    (i64.add (i64.reinterpret_f64 (local.get 0)) (i64.reinterpret_f64 (local.get 1))))
  (func (export "nan") (param f64) (result i64)
    (return_call $bits (f64.div (local.get 0) (f64.const 0)) (f64.load (i32.const 8))))
  (data (i32.const 8) "\01\00\00\00\00\00\f4\7f")
  (func $quotient (param f64) (result f64) (f64.div (local.get 0) (f64.const 0)))
  (func (export "nan back") (param f64) (result f64) (return_call $quotient (local.get 0)))
  (func $lanes (param v128 i32) (result v128) (i32x4.add (local.get 0) (i32x4.splat (local.get 1))))
  (func (export "vector") (param i32) (result v128) (return_call $lanes (v128.const i32x4 1 2 3 4) (local.get 0)))
)
