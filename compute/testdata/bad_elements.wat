;; Its elements lie outside its table.
(module (memory (export "memory") 1) (table 2 funcref) (elem (i32.const 1) func $s $s) (func $s (export "_start")))
