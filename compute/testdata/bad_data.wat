;; Its data lie outside its memory.
(module (memory (export "memory") 1) (data (i32.const 65530) "1234567890") (func (export "_start")))
