using Moe.Classical;
using static TorchSharp.torch;

namespace MixtureOfRegressions;

/// <summary>What the picture shows, row by row in the order of x. Successes out of trials are shown as shares.</summary>
internal sealed record Curves(double[] Response, double[][] Means, double[][] Gates, double[] Lower, double[] Upper)
{
    public static Curves Of(Fit fit, int[] order)
    {
        using var scope = NewDisposeScope();
        var rows = tensor(order.Select(row => (long)row).ToArray());
        var inputs = fit.Data.Inputs.index_select(0, rows);
        var response = fit.Data.Response.Select(rows);
        var (lower, upper) = fit.Mixture.Interval(inputs, 0.9, response.Trials);
        return new Curves(
            Share(response.Values, response), Columns(fit.Mixture.PredictEach(inputs).squeeze(2)), Columns(fit.Mixture.Gates(inputs)),
            Share(lower, response), Share(upper, response));
    }

    private static double[] Share(Tensor values, Response response) => Numbers(response.Trials is { } trials ? values / trials : values);

    private static double[][] Columns(Tensor matrix) => [.. matrix.unbind(1).Select(Numbers)];

    private static double[] Numbers(Tensor values) => values.contiguous().data<double>().ToArray();
}
