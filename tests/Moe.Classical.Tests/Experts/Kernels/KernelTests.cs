using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class KernelTests
{
    private static readonly Dictionary<string, (Kernel Kernel, Func<double, double, double> Formula)> Cases = new()
    {
        ["rbf"] = (new RbfKernel { LengthScale = 0.7 }, (r, _) => Math.Exp(-r * r / 2)),
        ["matern 1/2"] = (new MaternKernel { LengthScale = 0.7, Smoothness = MaternSmoothness.Half }, (r, _) => Math.Exp(-r)),
        ["matern 3/2"] = (new MaternKernel { LengthScale = 0.7, Smoothness = MaternSmoothness.ThreeHalves }, (r, _) => (1 + (Math.Sqrt(3) * r)) * Math.Exp(-Math.Sqrt(3) * r)),
        ["matern 5/2"] = (new MaternKernel { LengthScale = 0.7 }, (r, _) => (1 + (Math.Sqrt(5) * r) + (5 * r * r / 3)) * Math.Exp(-Math.Sqrt(5) * r)),
        ["linear"] = (new LinearKernel { Offset = 2 }, (_, p) => p + 2),
        ["polynomial"] = (new PolynomialKernel { Degree = 3, Scale = 0.5, Offset = 1 }, (_, p) => Math.Pow((0.5 * p) + 1, 3)),
    };

    public static TheoryData<string> Names { get; } = [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void It_is_its_formula_and_positive_semidefinite(string name)
    {
        var (kernel, formula) = Cases[name];
        foreach (var width in new[] { 2, 12 })
        {
            var (rows, _) = Waves.Numbers(15, width, 3);
            using var input = tensor(rows);
            using var matrix = kernel.Between(input, input);
            using var diagonal = kernel.Diagonal(input);
            for (var i = 0; i < 15; i++)
            {
                for (var j = 0; j < 15; j++)
                {
                    var (square, product) = (0.0, 0.0);
                    for (var d = 0; d < width; d++)
                    {
                        square += Math.Pow((rows[i, d] - rows[j, d]) / 0.7, 2);
                        product += rows[i, d] * rows[j, d];
                    }
                    matrix[i, j].item<double>().Should().BeApproximately(formula(Math.Sqrt(square), product), 1e-9 * Math.Max(1, Math.Abs(product * product * product)));
                }
                diagonal[i].item<double>().Should().BeApproximately(matrix[i, i].item<double>(), 1e-9);
            }
            linalg.eigvalsh(matrix).min().item<double>().Should().BeGreaterThan(-1e-9);
        }
    }

    [Fact]
    public void Separate_length_scales_scale_each_column()
    {
        var (rows, _) = Waves.Numbers(6, 2, 1);
        using var input = tensor(rows);
        using var stretched = input / tensor(new[] { 0.5, 3.0 });
        Waves.Doubles(new RbfKernel { LengthScales = [0.5, 3] }.Between(input, input)).Should().Equal(Waves.Doubles(new RbfKernel().Between(stretched, stretched)));
    }

    [Fact]
    public void It_refuses_settings_out_of_range()
    {
        using var input = ones(2, 2);
        FluentActions.Invoking(() => new RbfKernel { LengthScale = 0 }.Between(input, input)).Should().Throw<ArgumentException>().WithMessage("*LengthScale is 0*");
        FluentActions.Invoking(() => new RbfKernel { LengthScales = [1, 2, 3] }.Between(input, input)).Should().Throw<ArgumentException>().WithMessage("*3 entries*");
        FluentActions.Invoking(() => new KernelRidgeLearner(new() { Kernel = new PolynomialKernel { Degree = 0 } })).Should().Throw<ArgumentException>().WithMessage("*Degree is 0*");
    }
}
