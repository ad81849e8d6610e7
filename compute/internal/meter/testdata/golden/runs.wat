;; Branches in every pattern that runs merge over, with a host call after which
;; the counter must be exact.
(module
  (import "env" "probe" (func $probe))
  (func (export "diamond") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (i32.const 1) (i32.const 2)))
      (else (i32.const 3)))
    i32.const 4
    i32.add
    call $probe)
  (func (export "skip") (param i32)
    (block
      (br_if 0 (local.get 0))
      (drop (i32.add (i32.const 1) (i32.const 2))))
    (drop (i32.const 3))
    call $probe)
  (func (export "escape") (param i32)
    (block $out
      (block
        (br_if 0 (i32.eq (local.get 0) (i32.const 1)))
        (br_if $out (i32.eq (local.get 0) (i32.const 2)))
        (drop (i32.const 3)))
      (drop (i32.add (i32.const 4) (i32.const 5)))
      call $probe)
    call $probe
    nop)
  (func (export "arm") (param i32) (result i32)
    (if (local.get 0)
      (then (return (i32.const 1)))
      (else (drop (i32.const 2))))
    call $probe
    i32.const 3)
  (func (export "nested") (param i32 i32) (result i32)
    (local i32)
    (if (local.get 0)
      (then
        (if (local.get 1)
          (then (local.set 2 (i32.const 1)))
          (else (local.set 2 (i32.const 2)) (local.set 2 (i32.const 3))))
        (local.set 2 (i32.add (local.get 2) (i32.const 1)))))
    (local.set 2 (i32.add (local.get 2) (i32.const 10)))
    call $probe
    local.get 2)
  (func (export "loop") (param i32) (result i32)
    (local i32)
    (loop $top
      (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (block
        (br_if 0 (i32.and (local.get 0) (i32.const 1)))
        (local.set 1 (i32.mul (local.get 1) (i32.const 3))))
      (br_if $top (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    call $probe
    local.get 1)
  (func (export "once") (result i32)
    (loop (result i32) i32.const 1 (loop (param i32) (result i32) i32.const 2 i32.add))
    call $probe)
  (func (export "while") (param i32) (result i32)
    (local i32)
    (block $done
      (loop $top
        (br_if $done (i32.eqz (local.get 0)))
        (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (local.set 1 (i32.add (local.get 1) (i32.const 2)))
        (br $top)))
    call $probe
    local.get 1)
  (func (export "dead") (result i32)
    (block $b (result i32)
      i32.const 1
      br $b
      (loop (br 0))
      (if (i32.const 0) (then (br $b (i32.const 3))))
      unreachable)
    call $probe)
  (func (export "halves") (param i32) (result i32)
    (block $a (result i32)
      (block $b
        (block $c (br_table $b $c $c $b (local.get 0)))
        (br $a (i32.add (i32.const 1) (i32.const 2))))
      i32.const 7)
    call $probe
    i32.const 1
    i32.add)
)
