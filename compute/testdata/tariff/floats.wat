;; NaNs: made by arithmetic they are canonical when they are looked at, copied
;; they keep their bits. What comes out is 16 bytes for each line below.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\04\00\00\60\00\00\00")
  (data (i32.const 64) "\01\00\a0\7f" "\01\00\a0\ff" "\01\00\00\00\00\00\f4\7f" "\00\00\80\7f" "\00\00\80\bf")
  (func $zero (result f64) (f64.load (i32.const 512)))
  (func (export "_start") (local $a f64) (local $b f32) (local $v v128)
    ;; 0/0, and the square root of -1
    (f64.store (i32.const 1024) (f64.div (call $zero) (call $zero)))
    (f64.store (i32.const 1032) (f64.sqrt (f64.const -1)))
    ;; copied: by load and store, by a local, neg and abs
    (f64.store (i32.const 1040) (f64.load (i32.const 72)))
    (local.set $b (f32.load (i32.const 64)))
    (f32.store (i32.const 1048) (local.get $b))
    (f32.store (i32.const 1052) (f32.abs (f32.neg (f32.load (i32.const 68)))))
    ;; added to, promoted, demoted
    (f32.store (i32.const 1056) (f32.add (f32.load (i32.const 64)) (f32.const 1)))
    (f32.store (i32.const 1060) (f32.demote_f64 (f64.load (i32.const 72))))
    (f64.store (i32.const 1064) (f64.promote_f32 (f32.load (i32.const 68))))
    ;; reinterpreted; min and max of a NaN and a number
    (local.set $a (f64.sub (f64.const inf) (f64.const inf)))
    (i64.store (i32.const 1072) (i64.reinterpret_f64 (local.get $a)))
    (f64.store (i32.const 1080) (f64.min (local.get $a) (f64.load (i32.const 72))))
    ;; lanes: 0 * inf where there is inf, the others as they are
    (local.set $v (f32x4.mul (v128.load (i32.const 80)) (v128.const f32x4 0 1 2 3)))
    (v128.store (i32.const 1088) (local.get $v))
    (v128.store (i32.const 1104) (f64x2.sqrt (f64x2.neg (v128.load (i32.const 72)))))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
)
