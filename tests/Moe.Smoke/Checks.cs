using System.Runtime.InteropServices;
using Moe.Core;
using Moe.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Smoke;

/// <summary>One thing that has to hold.</summary>
/// <param name="Detail">What was found.</param>
/// <param name="Difference">How far from the CPU it is, where that is what is checked.</param>
/// <param name="Allowed">How far it may be.</param>
internal sealed record Check(string Name, bool Passed, string Detail, double? Difference = null, double? Allowed = null);

/// <summary>
/// What is checked: layers of six experts of all kinds (four in a stack, a rule, a linear module) in Float32 and BFloat16, under routers in Float32.
/// </summary>
internal static class Checks
{
    private const int Batch = 4, Length = 32, Width = 64, HiddenWidth = 128, Experts = 6;

    /// <param name="Masked">Whether the last quarter of each sequence is padding.</param>
    private sealed record Case(string Name, Func<Generator, Router> Router, bool Masked = false);

    private static readonly GatingOptions Gate = new() { InputWidth = Width, ExpertCount = Experts, TopK = 2 };

    private static readonly Case[] Cases =
    [
        new("top-3", random => new GatingNetwork(Gate with { TopK = 3 }, random)),
        new("top-2, capacity, mask", random => new GatingNetwork(Gate with { Capacity = new CapacityOptions { Factor = 0.75 } }, random), Masked: true),
        new("Soft MoE", random => new SoftRouter(new SoftRouterOptions { InputWidth = Width, ExpertCount = Experts, SlotsPerExpert = 4 }, random)),
    ];

    /// <summary>How far a step may be from the CPU's, as a share of a tensor's largest value: ten roundings of BFloat16, and of Float32 far more than sums in another order need.</summary>
    private static double Tolerance(ScalarType type) => type == ScalarType.Float32 ? 1e-4 : 4e-2;

    public static IEnumerable<Check> On(Device device)
    {
        foreach (var type in new[] { ScalarType.Float32, ScalarType.BFloat16 })
        {
            foreach (var layer in Cases)
            {
                foreach (var check in Guarded($"{layer.Name}, {type}", name => OneStep(name, layer, type, device)))
                    yield return check;
            }
            foreach (var check in Guarded($"trainer, {type}", name => [Trainer(name, type, device)]))
                yield return check;
        }
    }

    // What a device refuses fails one check; the others still tell something.
    private static Check[] Guarded(string name, Func<string, Check[]> checks)
    {
        using var scope = NewDisposeScope();
        try
        {
            return checks(name);
        }
        catch (Exception exception) when (exception is ExternalException or InvalidOperationException or NotSupportedException or ArgumentException)
        {
            return [new Check(name, false, $"{exception.GetType().Name}: {exception.Message}")];
        }
    }

    private static Check[] OneStep(string name, Case layer, ScalarType type, Device device)
    {
        var first = Step(layer, type, device);
        var second = Step(layer, type, device);
        var (difference, where) = first.LargestDifference(Step(layer, type, CPU));
        var allowed = Tolerance(type);
        return
        [
            AllOf($"{name}, finite", first.NotFinite(), "NaN or infinite"),
            new Check($"{name}, as on the CPU", difference <= allowed, FormattableString.Invariant($"{difference:0.0e-0} off ({where}), allowed {allowed:0.0e-0}"), difference, allowed),
            new Check($"{name}, same output twice", first.Output.Equals(second.Output), "bit by bit"),
            AllOf($"{name}, same step twice", first.Differing(second), "other bits"),
        ];
    }

    private static Check AllOf(string name, IReadOnlyList<string> wrong, string what) =>
        new(name, wrong.Count == 0, wrong.Count == 0 ? "all" : $"{what}: {string.Join(", ", wrong)}");

    private static TrainingStep Step(Case layer, ScalarType type, Device device)
    {
        using var mixture = Mixture(layer, type, device);
        var (input, target) = Data(type);
        var mask = layer.Masked ? (arange(Length) < Length * 3 / 4).expand(Batch, Length).to(device) : null;
        return new TrainingStep(mixture, input.to(device), target.to(ScalarType.Float32).to(device), mask);
    }

    /// <summary>Three epochs of the library's own training: the loss has to fall.</summary>
    private static Check Trainer(string name, ScalarType type, Device device)
    {
        using var model = new RoutedSequential(Mixture(Cases[0], type, device));
        var (input, target) = Data(type);
        var data = new TrainingData(input.to(device), target.to(device));
        var options = new TrainerOptions { Epochs = 3, BatchSize = 1, MaxGradientNorm = 1 };
        var epochs = new Trainer(model, parameters => optim.AdamW(parameters, lr: 1e-2), TaskLosses.MeanSquaredError, options).Fit(data).Epochs;
        return new Check(name, epochs[^1].TaskLoss < epochs[0].TaskLoss, FormattableString.Invariant($"loss {epochs[0].TaskLoss:0.000} to {epochs[^1].TaskLoss:0.000}"));
    }

    // Drawn on the CPU, whatever the device: each has generators of its own.
    private static MixtureOfExperts Mixture(Case layer, ScalarType type, Device device)
    {
        manual_seed(1);
        using var random = new Generator(2UL);
        var stack = StackedExperts.GatedFeedForward(4, new GatedFeedForwardOptions { InputWidth = Width, HiddenWidth = HiddenWidth }, random);
        var rule = new DelegateExpert(Width, Width, rows => rows.flip(1));
        var mixture = new MixtureOfExperts(layer.Router(random), [.. stack, rule, new ModuleExpert(nn.Linear(Width, Width), Width, Width)]);
        return mixture.to(type).to(device);
    }

    private static (Tensor Input, Tensor Target) Data(ScalarType type)
    {
        using var random = new Generator(3UL);
        return (randn([Batch, Length, Width], generator: random).to(type), randn([Batch, Length, Width], generator: random).to(type));
    }
}
