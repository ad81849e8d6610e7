;; Does one thing for ever, the one that the number of arguments says.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $size (param i32 i64) (result i32)))
  (memory (export "memory") 32)
  (data (i32.const 100) "out/f")
  (func $file (result i32)
    (drop (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 5) (i32.const 1)
      (i64.const -1) (i64.const 0) (i32.const 0) (i32.const 32)))
    (i32.load (i32.const 32)))
  (func (export "_start") (local $fd i32)
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    ;; one span of 1 MiB at 65536
    (i32.store (i32.const 16) (i32.const 65536))
    (i32.store (i32.const 20) (i32.const 1048576))
    (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 (i32.load (i32.const 0))))
      (return))
      ;; 1: stdout
      (loop (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24))) (br 0)))
      ;; 2: a file
      (local.set $fd (call $file))
      (loop (drop (call $write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24))) (br 0)))
      ;; 3: random bytes
      (loop (drop (call $random (i32.const 65536) (i32.const 65536))) (br 0)))
      ;; 4: the clock
      (loop (drop (call $time (i32.const 0) (i64.const 1) (i32.const 24))) (br 0)))
      ;; 5: files made, grown and removed
      (loop
        (local.set $fd (call $file))
        (drop (call $size (local.get $fd) (i64.const 100000)))
        (drop (call $write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24)))
        (drop (call $close (local.get $fd)))
        (drop (call $unlink (i32.const 3) (i32.const 100) (i32.const 5)))
        (br 0)))
      ;; 6: memory, all of which is touched
      (loop
        (if (i32.ne (memory.grow (i32.const 16)) (i32.const -1)) (then
          (memory.fill (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1048576)) (i32.const 1) (i32.const 1048576))
          (br 1))))
      (return))
    ;; 7: listings
    (loop (drop (call $readdir (i32.const 3) (i32.const 65536) (i32.const 65536) (i64.const 0) (i32.const 24))) (br 0))))
