;; The worked example of docs/TARIFF.md: three turns of a loop, then one line of
;; output. The numbers are what each line adds to the counter.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\04\00\00\00")   ;; at 0: the bytes at 16, 4 of them
  (data (i32.const 16) "sea\n")
  (func (export "_start") (local $n i32)   ;; 1: the entry
    i32.const 3                            ;; 1
    local.set $n                           ;; 1
    loop $turn                             ;; 0
      local.get $n                         ;; 1, three times
      i32.const 1                          ;; 1, three times
      i32.sub                              ;; 1, three times
      local.tee $n                         ;; 1, three times
      br_if $turn                          ;; 1, three times
    end                                    ;; 0
    i32.const 1                            ;; 1: descriptor 1
    i32.const 0                            ;; 1: the list of buffers is at 0
    i32.const 1                            ;; 1: and has one entry
    i32.const 12                           ;; 1: where the number written goes
    call $write                            ;; 1, and 1004 to the host
    drop))                                 ;; 0
