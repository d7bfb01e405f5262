"""Pieces of the kernel that Python cannot say: sums that stay in registers, and 2^n of floats.

`tile(P, V)` adds to P images × V vectors of outputs the products of their inputs with packed
weights. Each output is one chain of fused multiply-adds in the order of the inputs, whatever P and
V are: a sum does not depend on which images it is computed with, nor on the width of the vectors,
so neither do the samples depend on batches, threads or the processor.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import llvmlite.ir as ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic


def _has(feature: str) -> bool:
    """Whether numba compiles for a processor that has it: this one, or as NUMBA_CPU_NAME and
    NUMBA_CPU_FEATURES say."""
    name, features = config.CPU_NAME, config.CPU_FEATURES
    if features is not None:
        return f"+{feature}" in features.split(",")
    host = llvmlite.binding.get_host_cpu_features()
    if name in (None, "host", llvmlite.binding.get_host_cpu_name()):
        return bool(host.get(feature, False))
    return feature == "fma" and name != "generic" and bool(host.get(feature, False))


def _vector_bytes() -> int:
    return 64 if _has("avx512f") else 32


VECTOR_BYTES = _vector_bytes()


def fuses() -> bool:
    """Whether the processor multiplies and adds at once; one that does not would be slow."""
    if not llvmlite.binding.get_process_triple().startswith(("x86", "i686", "amd64")):
        return True
    return _has("fma")


def make_tile(images: int, vectors: int) -> Any:
    """tile(past, o, o', t, t', i, i', e, e', a, a', weights, b, k, least, low, rest), of P images
    and V vectors of L outputs, of which the last one has `rest`:

        y = past[i + p·i' + j] + past[e + p·e' + j] + Σ_q past[a + p·a' + q]·weights[b + q·L + j]
        past[o + p·o' + j] = max(least, y),  past[t + p·t' + j] = max(low, y)

    The weights of the next vector of outputs lie k·L further on. k is 1 at least.
    """

    @intrinsic
    def tile(typing, past, o, oo, t, tt, i, ii, e, ee, a, aa, weights, b, k, least, low, rest):
        at, number = types.intp, past.dtype
        bits = number.bitwidth
        lanes = VECTOR_BYTES * 8 // bits

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            element, index = (context.get_value_type(kind) for kind in (number, at))
            vector = ir.VectorType(element, lanes)
            fma = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{lanes}f{bits}"
            )
            data, packed = (
                context.make_array(signature.args[n])(context, builder, args[n]).data
                for n in (0, 11)
            )

            def lines(start: int) -> list[Any]:
                """Pointers of the P images, whose first and distance are arguments."""
                far = (builder.mul(args[start + 1], index(p)) for p in range(images))
                return [builder.gep(data, [builder.add(args[start], step)]) for step in far]

            def vector_at(pointer: Any, v: int) -> Any:
                far = builder.gep(pointer, [index(v * lanes)])
                return builder.bitcast(far, vector.as_pointer())

            def load(pointer: Any, v: int = 0) -> Any:
                return builder.load(vector_at(pointer, v), align=bits // 8)

            def spread(value: Any) -> Any:
                nothing = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
                one = builder.insert_element(nothing, value, ir.IntType(32)(0))
                all_of_it = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
                return builder.shuffle_vector(one, nothing, all_of_it)

            outs, twins, inits, mores, inputs = (lines(start) for start in (1, 3, 5, 7, 9))
            length = builder.mul(args[13], index(lanes))
            first = [builder.add(args[12], builder.mul(length, index(v))) for v in range(vectors)]
            packs = [builder.gep(packed, [place]) for place in first]
            both = [(p, v) for p in range(images) for v in range(vectors)]
            begin = [builder.fadd(load(inits[p], v), load(mores[p], v)) for p, v in both]

            before = builder.block
            loop, end = (builder.append_basic_block(name) for name in ("inputs", "outputs"))
            builder.branch(loop)
            builder.position_at_end(loop)
            q = builder.phi(index)
            q.add_incoming(index(0), before)
            sums = [builder.phi(vector) for _ in both]
            columns = [load(builder.gep(pack, [builder.mul(q, index(lanes))])) for pack in packs]
            values = [spread(builder.load(builder.gep(line, [q]))) for line in inputs]
            after = [
                builder.call(fma, [values[p], columns[v], total])
                for (p, v), total in zip(both, sums)
            ]
            for total, start, more in zip(sums, begin, after):
                total.add_incoming(start, before)
                total.add_incoming(more, loop)
            following = builder.add(q, index(1))
            q.add_incoming(following, loop)
            builder.cbranch(builder.icmp_signed("<", following, args[13]), loop, end)

            builder.position_at_end(end)
            numbers = ir.Constant(ir.VectorType(index, lanes), [*range(lanes)])
            there = builder.icmp_signed("<", numbers, spread(args[16]))
            for targets, floor in ((outs, spread(args[14])), (twins, spread(args[15]))):
                for (p, v), total in zip(both, after):
                    above = builder.fcmp_ordered(">", total, floor)
                    value = builder.select(above, total, floor)
                    if v == vectors - 1:  # beyond its outputs stays what is there
                        value = builder.select(there, value, load(targets[p], v))
                    builder.store(value, vector_at(targets[p], v), align=bits // 8)
            return context.get_dummy_value()

        places = [at] * 10
        return types.void(past, *places, weights, at, at, number, number, at), code

    return tile


@intrinsic
def get(typing, array, place):
    """array[place]. Unlike that, it counts nothing from the end, so that loops become vectors."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load(builder.gep(data, [args[1]]))

    return array.dtype(array, types.intp), code


@intrinsic
def put(typing, array, place, value):
    """array[place] = value, as `get`."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        builder.store(args[2], builder.gep(data, [args[1]]))
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), code


@intrinsic
def power_of_two(typing, shifted):
    """2^n as a float, of n + 1.5·2^M with M the bits of the mantissa: n stands in its last bits."""
    bits = shifted.bitwidth
    mantissa, bias = (23, 127) if bits == 32 else (52, 1023)

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        integer = ir.IntType(bits)
        n = builder.bitcast(args[0], integer)
        raised = builder.shl(n, ir.Constant(integer, mantissa))
        one = ir.Constant(integer, bias << mantissa)
        return builder.bitcast(builder.add(raised, one), context.get_value_type(sig.args[0]))

    return shifted(shifted), code
