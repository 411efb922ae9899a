using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A kernel with its numbers. Works on rows that are scaled already, in doubles on the CPU.</summary>
internal readonly record struct MachineKernel(VectorMachineKernel Kind, double Gamma, int Degree, double Offset)
{
    /// <summary>‖x‖² of each row of a contiguous matrix.</summary>
    public static double[] Norms(Tensor rows)
    {
        var width = (int)rows.size(1);
        var numbers = HostMemory.Of<double>(rows);
        var norms = new double[rows.size(0)];
        for (var row = 0; row < norms.Length; row++)
        {
            var sum = 0.0;
            foreach (var number in numbers.Slice(row * width, width))
                sum += number * number;
            norms[row] = sum;
        }
        return norms;
    }

    /// <summary>k(x, x) of a row with that ‖x‖².</summary>
    public double Self(double norm) => Kind switch
    {
        VectorMachineKernel.Linear => norm,
        VectorMachineKernel.Rbf => 1,
        _ => Power((Gamma * norm) + Offset),
    };

    /// <summary>Kernel values between the rows of two contiguous matrices, [nLeft, nRight], new.</summary>
    public Tensor Between(Tensor left, ReadOnlySpan<double> leftNorms, Tensor right, ReadOnlySpan<double> rightNorms)
    {
        using var turned = right.t();
        var matrix = left.matmul(turned);
        if (Kind == VectorMachineKernel.Linear)
            return matrix;
        var numbers = HostMemory.Of<double>(matrix);
        for (var row = 0; row < leftNorms.Length; row++)
            Arguments(numbers.Slice(row * rightNorms.Length, rightNorms.Length), leftNorms[row], rightNorms);
        return Kind == VectorMachineKernel.Rbf ? matrix.exp_() : matrix;
    }

    /// <summary>Turns products of one row with others into kernel values, but for the exponential, which torch takes of a whole matrix faster.</summary>
    private void Arguments(Span<double> products, double norm, ReadOnlySpan<double> norms)
    {
        switch (Kind)
        {
            case VectorMachineKernel.Linear:
                return;
            case VectorMachineKernel.Rbf:
                // Rounding can make the squared distance of like rows negative.
                for (var place = 0; place < products.Length; place++)
                    products[place] = -Gamma * Math.Max(0, norm + norms[place] - (2 * products[place]));
                return;
            default:
                for (var place = 0; place < products.Length; place++)
                    products[place] = Power((Gamma * products[place]) + Offset);
                return;
        }
    }

    private double Power(double number)
    {
        var power = number;
        for (var factor = 1; factor < Degree; factor++)
            power *= number;
        return power;
    }
}
