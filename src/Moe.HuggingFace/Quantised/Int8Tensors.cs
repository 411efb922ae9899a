using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>The two ways of decoding matrices of 8-bit integers. They agree to the bit, the bits of NaN apart.</summary>
internal static class Int8Tensors
{
    /// <summary>A task of the host has so many numbers, or one row.</summary>
    private const long NumbersPerTask = 1 << 19;

    /// <summary>By the host's own code, on as many threads as torch uses. For tensors on the CPU.</summary>
    /// <param name="codes">[out, in], Int8.</param>
    /// <param name="scales">[out, 1], Float32.</param>
    /// <param name="type">Float32 or BFloat16.</param>
    public static unsafe Tensor OnHost(Tensor codes, Tensor scales, ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (packed, factors) = (codes.contiguous(), scales.contiguous());
        var numbers = empty(codes.shape, dtype: type, device: CPU);
        var (from, by, to) = ((nint)HostMemory.Start<sbyte>(packed), (nint)HostMemory.Start<float>(factors), (nint)HostMemory.Start<byte>(numbers));
        var (rows, columns, bytes) = (codes.size(0), (int)codes.size(1), numbers.ElementSize);
        var rowsPerTask = Math.Max(1, NumbersPerTask / columns);
        HostTasks.Run((rows + rowsPerTask - 1) / rowsPerTask, task =>
        {
            for (var row = task * rowsPerTask; row < Math.Min(rows, (task + 1) * rowsPerTask); row++)
            {
                var source = new ReadOnlySpan<sbyte>((sbyte*)from + (row * columns), columns);
                var target = (byte*)to + (row * columns * bytes);
                if (type == ScalarType.BFloat16)
                    Int8Kernel.Decode(source, ((float*)by)[row], new Span<ushort>(target, columns));
                else
                    Int8Kernel.Decode(source, ((float*)by)[row], new Span<float>(target, columns));
            }
        });
        return scope.MoveToOuter(numbers);
    }

    /// <summary>By torch's operations, on any device.</summary>
    /// <inheritdoc cref="OnHost"/>
    public static Tensor WithTorch(Tensor codes, Tensor scales, ScalarType type)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(codes.to(ScalarType.Float32).mul_(scales).to(type));
    }
}
