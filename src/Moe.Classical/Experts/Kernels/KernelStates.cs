namespace Moe.Classical;

/// <summary>Kernels as parts of stored experts.</summary>
internal static class KernelStates
{
    public static ExpertState Write(Kernel kernel) => kernel switch
    {
        RbfKernel rbf => Lengths(new ExpertState("rbf"), rbf),
        MaternKernel matern => Lengths(new ExpertState("matern"), matern).Set("smoothness", matern.Smoothness),
        LinearKernel linear => new ExpertState("linear").Set("offset", linear.Offset),
        PolynomialKernel polynomial => new ExpertState("polynomial").Set("degree", polynomial.Degree).Set("scale", polynomial.Scale).Set("offset", polynomial.Offset),
        _ => throw new NotSupportedException($"Kernels of type {kernel.GetType().Name} are not stored."),
    };

    public static Kernel Read(ExpertState state) => state.Kind switch
    {
        "rbf" => new RbfKernel { LengthScale = state.Get<double>("length"), LengthScales = state.Get<double[]?>("lengths") },
        "matern" => new MaternKernel { LengthScale = state.Get<double>("length"), LengthScales = state.Get<double[]?>("lengths"), Smoothness = state.Get<MaternSmoothness>("smoothness") },
        "linear" => new LinearKernel { Offset = state.Get<double>("offset") },
        "polynomial" => new PolynomialKernel { Degree = state.Get<int>("degree"), Scale = state.Get<double>("scale"), Offset = state.Get<double>("offset") },
        _ => throw new ArgumentException($"Kernels of kind \"{state.Kind}\" are not known.", nameof(state)),
    };

    private static ExpertState Lengths(ExpertState state, StationaryKernel kernel) =>
        state.Set("length", kernel.LengthScale).Set("lengths", kernel.LengthScales?.ToArray());
}
