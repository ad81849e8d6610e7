;; Operations paid by size, before they run.
(module
  (memory 1 3)
  (data $d "0123456789")
  (table $t 10 20 funcref)
  (table $u 4 externref)
  (elem $e func 0 0 0)
  (func (export "copy") (param i32) (memory.copy (i32.const 0) (i32.const 100) (local.get 0)))     ;; 5 + n
  (func (export "fill") (param i32) (memory.fill (i32.const 0) (i32.const 7) (local.get 0)))       ;; 5 + n
  (func (export "init") (param i32) (memory.init $d (i32.const 0) (i32.const 0) (local.get 0)))    ;; 5 + n
  (func (export "drop") data.drop $d elem.drop $e)                                                 ;; 3
  (func (export "table copy") (param i32) (table.copy $t $t (i32.const 0) (i32.const 1) (local.get 0)))  ;; 5 + n
  (func (export "table init") (param i32) (table.init $t $e (i32.const 0) (i32.const 0) (local.get 0)))  ;; 5 + n
  (func (export "table fill") (param i32) (table.fill $t (i32.const 0) (ref.null func) (local.get 0)))   ;; 5 + n
  (func (export "table grow") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0)))    ;; 4 + n if it fits
  (func (export "table grow u") (param i32) (result i32) (table.grow $u (ref.null extern) (local.get 0)))
  (func (export "table get") (result i32) (ref.is_null (table.get $t (i32.const 0))))              ;; 4
  (func (export "table set") (table.set $t (i32.const 0) (ref.null func)))                         ;; 4
  (func (export "table size") (result i32) (table.size $t))                                        ;; 2
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))                      ;; 3 + 65536 n if it fits
  (func (export "grow by one") (param i32) (result i32)
    (loop (drop (memory.grow (i32.const 1))) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    memory.size)
)
