(module (import "env" "secret" (func)) (func (export "_start")))
