;; Host calls, again and again: the number of arguments, less one, says which.
;; BenchmarkHostMix measures how much fuel a second of them costs.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_get" (func $stat (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_remove_directory" (func $rmdir (param i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 0) "\00\10\00\00\01\00\00\00")        ;; a byte at 4096
  (data (i32.const 100) "out/made")
  (data (i32.const 200) "out/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/../../../..")
  (func (export "_start") (local $n i32)
    (drop (call $sizes (i32.const 16) (i32.const 20)))
    (local.set $n (i32.const 20000))
    (loop $again
      block $10 block $9 block $8 block $7 block $6 block $5 block $4 block $3 block $2 block $1 block $0
        (br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9 $10 (i32.sub (i32.load (i32.const 16)) (i32.const 1)))
      end (drop (call $yield)) br 9
      end (drop (call $time (i32.const 1) (i64.const 0) (i32.const 32))) br 8
      end (drop (call $random (i32.const 8192) (i32.const 0))) br 7
      end (drop (call $random (i32.const 8192) (i32.const 65536))) br 6
      end (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 24))) br 5
      end (drop (call $seek (i32.const 3) (i64.const 0) (i32.const 0) (i32.const 32))) br 4
      end (drop (call $readdir (i32.const 3) (i32.const 8192) (i32.const 4096) (i64.const 0) (i32.const 24))) br 3
      end (drop (call $stat (i32.const 3) (i32.const 0) (i32.const 200) (i32.const 68) (i32.const 1024))) br 2
      end (drop (call $close (call $openout))) br 1
      end
        (drop (call $mkdir (i32.const 3) (i32.const 100) (i32.const 8)))
        (drop (call $rmdir (i32.const 3) (i32.const 100) (i32.const 8))) br 0
      end
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func $openout (result i32)
    (drop (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 3) (i32.const 2) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 28)))
    (i32.load (i32.const 28)))
)
