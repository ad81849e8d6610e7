;; A float or vector is chosen where a call has taken all registers and both
;; values live on: wazero 1.12 on amd64 loses the second (wazero#2534).
(module
  (import "env" "probe" (func))
  (func (export "f32") (param i32 f32) (result f32 f32) (local i32 f32)
    local.get 2
    if (result f32)
      local.get 1
    else
      call 0
      local.get 1
      f32.const 1
      local.get 0
      select
    end
    local.set 3
    local.get 1
    local.get 3)
  (func (export "f64") (param i32 f64) (result f64 f64) (local i32 f64)
    local.get 2
    if (result f64)
      local.get 1
    else
      call 0
      local.get 1
      f64.const 1
      local.get 0
      select (result f64)
    end
    local.set 3
    local.get 1
    local.get 3)
  (func (export "v128") (param i32 f64) (result f64 f64) (local i32 v128 v128)
    local.get 1
    f64x2.splat
    local.set 3
    local.get 2
    if (result v128)
      local.get 3
    else
      call 0
      local.get 3
      v128.const f64x2 1 1
      local.get 0
      select
    end
    local.set 4
    local.get 3
    f64x2.extract_lane 1
    local.get 4
    f64x2.extract_lane 0)
  (func (export "arithmetic") (param i32 f64) (result f64)
    local.get 1
    local.get 1
    f64.div
    f64.const 2
    local.get 1
    f64.mul
    local.get 0
    select)
)
