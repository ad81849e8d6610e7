;; Operations paid by size: the number of arguments, less one, says which.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (memory (export "memory") 1 5)
  (data $d "0123456789")
  (table $t 10 20 funcref)
  (table $u 4 externref)
  (elem $e func $work $work $work)
  (func $work (param $what i32) (local $i i32)
    block $9 block $8 block $7 block $6 block $5 block $4 block $3 block $2 block $1 block $0
      local.get $what
      br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9
    end ;; 0: a page, and three, and one too many, and none
      (drop (memory.grow (i32.const 1)))
      (drop (memory.grow (i32.const 3)))
      (drop (memory.grow (i32.const 1)))
      (drop (memory.grow (i32.const -1)))
      (drop (memory.grow (i32.const 0)))
      return
    end ;; 1: 1,000 bytes each
      (memory.fill (i32.const 100) (i32.const 7) (i32.const 1000))
      (memory.copy (i32.const 0) (i32.const 100) (i32.const 1000))
      return
    end ;; 2: of a segment, dropped afterwards
      (memory.init $d (i32.const 0) (i32.const 2) (i32.const 8))
      (data.drop $d)
      (memory.init $d (i32.const 0) (i32.const 0) (i32.const 0))
      return
    end ;; 3: beyond the memory: paid, then a trap
      (memory.fill (i32.const 65000) (i32.const 0) (i32.const 1000))
      return
    end ;; 4: tables
      (table.fill $t (i32.const 0) (ref.null func) (i32.const 9))
      (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 3))
      (table.copy $t $t (i32.const 4) (i32.const 0) (i32.const 3))
      (elem.drop $e)
      return
    end ;; 5: a table grows, and grows too far
      (drop (table.grow $t (ref.null func) (i32.const 10)))
      (drop (table.grow $t (ref.null func) (i32.const 1)))
      (drop (table.grow $u (ref.null extern) (i32.const 1000)))
      return
    end ;; 6: beyond the table: paid, then a trap
      (table.fill $t (i32.const 5) (ref.null func) (i32.const 6))
      return
    end ;; 7: memory page by page, which fails at the job's limit or at 5
      (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      return
    end ;; 8: 3,000,000,000 bytes that are not there
      (memory.fill (i32.const 0) (i32.const 0) (i32.const 3000000000))
      return
    end ;; 9: nothing at all, at the last byte and behind it
      (memory.fill (i32.const 65536) (i32.const 0) (i32.const 0))
      (memory.copy (i32.const 65536) (i32.const 0) (i32.const 0)))
  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (call $work (i32.sub (i32.load (i32.const 0)) (i32.const 1))))
)
