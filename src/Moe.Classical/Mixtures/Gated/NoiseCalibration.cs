using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>
/// Fits the noise of experts, temperatures included, together with a gate: EM on the likelihood of the mixture, in which the experts' answers stay as they are. An expert that knows
/// only some rows is calibrated by these, and one that is too sure of itself everywhere is cooled.
/// </summary>
internal static class NoiseCalibration
{
    /// <summary>The ridge of the gate here, unless one is given.</summary>
    public const double Ridge = 1e-2;

    private const int Rounds = 20;

    /// <summary>The better of two starts: noise that is fitted to all rows, and experts at their word.</summary>
    public static NoiseModel?[] Fit(MemberAnswers[] answers, Func<NoiseModel?[], GateProblem> problem, double ridge, int maxSteps, CancellationToken cancellation)
    {
        NoiseModel?[] all = [.. answers.Select(answer => answer.Noise())];
        if (answers.Length == 1)
            return all;
        var (first, loss) = Climb(answers, all, problem, ridge, maxSteps, cancellation);
        var (second, other) = Climb(answers, [.. answers.Select(answer => answer.PlainNoise())], problem, ridge, maxSteps, cancellation);
        return other < loss ? second : first;
    }

    private static (NoiseModel?[] Noises, double Objective) Climb(
        MemberAnswers[] answers, NoiseModel?[] start, Func<NoiseModel?[], GateProblem> problem, double ridge, int maxSteps, CancellationToken cancellation)
    {
        var (noises, best, objective) = (start, start, double.PositiveInfinity);
        SoftmaxGate? gate = null;
        for (var round = 0; round < Rounds; round++)
        {
            using var scope = NewDisposeScope();
            var now = problem(noises) with { Loss = GatedLoss.MixtureLikelihood, Unit = 1 };
            var descent = new GateDescent(now, ridge, 1e-7);
            if (gate is not null)
                descent.StartFrom(gate);
            descent.Run(maxSteps, cancellation);
            var gained = objective - descent.Objective;
            if (!(gained > 0))
                break;
            (best, objective, gate) = (noises, descent.Objective, descent.Gate());
            if (gained < 1e-4)
                break;
            var shares = now.Responsibilities(now.LogGates(gate));
            noises = [.. answers.Select((answer, expert) => answer.Noise(shares, expert, best[expert]))];
        }
        return (best, objective);
    }
}
