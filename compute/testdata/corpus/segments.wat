;; Segments that are dropped from the beginning, as the active ones are: of
;; those, nothing can be copied. Does what the number of arguments says, or all
;; that does not trap when there are none.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (table $t 4 funcref)
  (elem $active (table $t) (i32.const 1) func $f)
  (elem $declared declare func $f)
  (data $passive "0123456789")
  (data $here (i32.const 1024) "at 1024\n")
  (data $there (i32.const 2048) "at 2048\n")
  (func $f)

  (func $all
    (memory.init $here (i32.const 0) (i32.const 0) (i32.const 0))
    (data.drop $there)
    (memory.init $there (i32.const 0) (i32.const 0) (i32.const 0))
    (table.init $t $active (i32.const 0) (i32.const 0) (i32.const 0))
    (elem.drop $active)
    (table.init $t $declared (i32.const 0) (i32.const 0) (i32.const 0))
    (call_indirect $t (i32.const 1))
    (memory.init $passive (i32.const 1034) (i32.const 0) (i32.const 10))
    (i32.store (i32.const 16) (i32.const 1024))
    (i32.store (i32.const 20) (i32.const 20))
    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 32))))

  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 (i32.load (i32.const 0))))
      (call $all) (return))
      (memory.init $here (i32.const 5) (i32.const 0) (i32.const 1)) (return))
      (memory.init $there (i32.const 5) (i32.const 1) (i32.const 0)) (return))
      (table.init $t $active (i32.const 0) (i32.const 0) (i32.const 1)) (return))
      (table.init $t $active (i32.const 0) (i32.const 1) (i32.const 0)) (return))
      (table.init $t $declared (i32.const 0) (i32.const 0) (i32.const 1)) (return))
      (table.init $t $declared (i32.const 0) (i32.const 1) (i32.const 0))))
