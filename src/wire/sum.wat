;; The Internet checksum over memory, sixteen bytes at a time, alone and while copying.
;;
;; Both functions return a sum (0 to 0x1ffff) of the 16-bit units in memory order. A last odd byte is a unit's low half.
;; Each 16 bytes add two units to each lane of 32 bits, so that a lane can overflow only after four times MAX_SUM_BYTES.
(module
  (import "ferrule" "memory" (memory 1 65536 shared))

  (func $fold (param $lanes v128) (result i32)
    (local $total i64)
    (local.set $total
      (i64.add
        (i64.add (i64.extend_i32_u (i32x4.extract_lane 0 (local.get $lanes)))
                 (i64.extend_i32_u (i32x4.extract_lane 1 (local.get $lanes))))
        (i64.add (i64.extend_i32_u (i32x4.extract_lane 2 (local.get $lanes)))
                 (i64.extend_i32_u (i32x4.extract_lane 3 (local.get $lanes))))))
    ;; The total has at most 34 bits, so that folding it twice gives less than 2^17.
    (local.set $total
      (i64.add (i64.and (local.get $total) (i64.const 0xffff)) (i64.shr_u (local.get $total) (i64.const 16))))
    (i32.wrap_i64
      (i64.add (i64.and (local.get $total) (i64.const 0xffff)) (i64.shr_u (local.get $total) (i64.const 16)))))

  (func (export "sum") (param $from i32) (param $length i32) (result i32)
    (local $end i32) (local $a v128) (local $b v128)
    (local.set $end (i32.add (local.get $from) (i32.and (local.get $length) (i32.const -32))))
    (block $bulk_done
      (loop $bulk
        (br_if $bulk_done (i32.ge_u (local.get $from) (local.get $end)))
        (local.set $a (i32x4.add (local.get $a) (i32x4.extadd_pairwise_i16x8_u (v128.load (local.get $from)))))
        (local.set $b (i32x4.add (local.get $b) (i32x4.extadd_pairwise_i16x8_u (v128.load offset=16 (local.get $from)))))
        (local.set $from (i32.add (local.get $from) (i32.const 32)))
        (br $bulk)))
    (local.set $end (i32.add (local.get $from) (i32.and (local.get $length) (i32.const 30))))
    (block $units_done
      (loop $units
        (br_if $units_done (i32.ge_u (local.get $from) (local.get $end)))
        (local.set $a (i32x4.add (local.get $a) (v128.load16_lane 0 (local.get $from) (v128.const i32x4 0 0 0 0))))
        (local.set $from (i32.add (local.get $from) (i32.const 2)))
        (br $units)))
    (if (i32.and (local.get $length) (i32.const 1))
      (then
        (local.set $a (i32x4.add (local.get $a) (v128.load8_lane 0 (local.get $from) (v128.const i32x4 0 0 0 0))))))
    (call $fold (i32x4.add (local.get $a) (local.get $b))))

  (func (export "copySum") (param $from i32) (param $to i32) (param $length i32) (result i32)
    (local $end i32) (local $a v128) (local $b v128) (local $v v128)
    (local.set $end (i32.add (local.get $from) (i32.and (local.get $length) (i32.const -32))))
    (block $bulk_done
      (loop $bulk
        (br_if $bulk_done (i32.ge_u (local.get $from) (local.get $end)))
        (v128.store (local.get $to) (local.tee $v (v128.load (local.get $from))))
        (local.set $a (i32x4.add (local.get $a) (i32x4.extadd_pairwise_i16x8_u (local.get $v))))
        (v128.store offset=16 (local.get $to) (local.tee $v (v128.load offset=16 (local.get $from))))
        (local.set $b (i32x4.add (local.get $b) (i32x4.extadd_pairwise_i16x8_u (local.get $v))))
        (local.set $from (i32.add (local.get $from) (i32.const 32)))
        (local.set $to (i32.add (local.get $to) (i32.const 32)))
        (br $bulk)))
    (local.set $end (i32.add (local.get $from) (i32.and (local.get $length) (i32.const 30))))
    (block $units_done
      (loop $units
        (br_if $units_done (i32.ge_u (local.get $from) (local.get $end)))
        (local.set $v (v128.load16_lane 0 (local.get $from) (v128.const i32x4 0 0 0 0)))
        (v128.store16_lane 0 (local.get $to) (local.get $v))
        (local.set $a (i32x4.add (local.get $a) (local.get $v)))
        (local.set $from (i32.add (local.get $from) (i32.const 2)))
        (local.set $to (i32.add (local.get $to) (i32.const 2)))
        (br $units)))
    (if (i32.and (local.get $length) (i32.const 1))
      (then
        (local.set $v (v128.load8_lane 0 (local.get $from) (v128.const i32x4 0 0 0 0)))
        (v128.store8_lane 0 (local.get $to) (local.get $v))
        (local.set $a (i32x4.add (local.get $a) (local.get $v)))))
    (call $fold (i32x4.add (local.get $a) (local.get $b)))))
