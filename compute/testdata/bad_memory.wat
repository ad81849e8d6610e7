(module (memory (export "memory") 9000) (func (export "_start")))
