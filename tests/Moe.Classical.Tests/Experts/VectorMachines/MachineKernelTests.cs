using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class MachineKernelTests
{
    [Theory]
    [InlineData(VectorMachineKernel.Linear, 2 * -1 + 3 * 4)]
    [InlineData(VectorMachineKernel.Rbf, 0.0067379469990854670966)]
    [InlineData(VectorMachineKernel.Polynomial, 64)]
    public void Values_are_those_of_the_formula(VectorMachineKernel kind, double expected)
    {
        using var scope = NewDisposeScope();
        var kernel = new MachineKernel(kind, kind == VectorMachineKernel.Rbf ? 0.5 : 0.3, 3, 1);
        var left = tensor(new double[] { 2, 3 }, 1, 2);
        var right = tensor(new double[] { -1, 4, 2, 3 }, 2, 2);
        var norms = MachineKernel.Norms(right);
        norms.Should().Equal(17, 13);
        var matrix = kernel.Between(left, [13], right, norms).data<double>().ToArray();

        matrix[0].Should().BeApproximately(expected, 1e-12);
        matrix[1].Should().BeApproximately(kernel.Self(13), 1e-12);
    }
}
