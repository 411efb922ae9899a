using System.Text.Json;
using Moe.Classical;

namespace MixtureOfRegressions;

/// <summary>The fit as JSON. Experts stand in the order of their intercepts; the gate's row of the first expert is 0.</summary>
internal static class JsonReport
{
    private static readonly JsonSerializerOptions Layout = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static void Save(string path, Fit fit)
    {
        var report = fit.Mixture.Report!;
        File.WriteAllText(path, JsonSerializer.Serialize(
            new
            {
                Loglik = report.LogLikelihood,
                Df = report.DegreesOfFreedom,
                report.Aic,
                report.Bic,
                report.Icl,
                ExpertCoef = fit.ExpertCoefficients(),
                Sigma = fit.Mixture.Components.Select(component => component.Noise).OfType<GaussianNoise>().Select(noise => noise.Sigma),
                GateCoef = fit.GateCoefficients(),
                StandardErrors = fit.StandardErrors(),
                report.Iterations,
                report.Converged,
                Restarts = report.Starts.Count,
                report.Seconds,
            },
            Layout));
    }
}
