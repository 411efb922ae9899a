using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>What rows, answers and costs must be for a gate to be fitted to them.</summary>
internal static class GatedRules
{
    public static void Require(GatedExpertsLearner learner, FitData data, IReadOnlyDictionary<string, Tensor>? outOfFold, Tensor? costs)
    {
        var kind = data.Response.Kind;
        foreach (var member in learner.Members)
        {
            if (member.Learner?.Takes(kind) == false)
                throw new ArgumentException($"Member \"{member.Name}\" ({member.Learner.Name}) does not take responses of kind {kind}.", nameof(data));
            if (!member.OwnDensity && (member.Noise ?? NoiseFamilies.DefaultFor(kind)) is var noise && !noise.Takes(kind))
                throw new ArgumentException($"The noise of member \"{member.Name}\" ({noise.Name}) does not take responses of kind {kind}.", nameof(data));
            if (member.Columns is { } columns)
                Columns.Require(columns, data.Width, nameof(data));
            var width = member.Columns?.Count ?? data.Width;
            if (member.Expert is { } expert && (expert.InputWidth != width || expert.OutputWidth != data.Response.Width))
                throw new ArgumentException($"Member \"{member.Name}\" maps rows of width {expert.InputWidth} to {expert.OutputWidth}; expected {width} to {data.Response.Width}.", nameof(data));
        }
        if (learner.GateColumns is { } gate)
            Columns.Require(gate, data.Width, nameof(data));
        if (learner.Options.GivenFolds is { } folds && folds.Rows != data.Rows)
            throw new ArgumentException($"Expected GivenFolds of {data.Rows} rows, got {folds.Rows}.", nameof(data));
        foreach (var (name, answers) in outOfFold ?? new Dictionary<string, Tensor>())
        {
            var member = learner.Members.FirstOrDefault(member => member.Name == name) ?? throw new ArgumentException($"There is no member \"{name}\".", nameof(outOfFold));
            if (member.OwnDensity)
                throw new ArgumentException($"Member \"{name}\" has OwnDensity; answers do not say what its densities are.", nameof(outOfFold));
            Shape(answers, data.Rows, data.Response.Width, nameof(outOfFold));
        }
        if (costs is null)
            return;
        if (learner.Options.Loss != GatedLoss.ExpectedCost)
            throw new ArgumentException($"Costs want Loss to be {GatedLoss.ExpectedCost}, which is {learner.Options.Loss}.", nameof(costs));
        Shape(costs, data.Rows, learner.Members.Count, nameof(costs));
    }

    private static void Shape(Tensor given, long rows, long width, string name)
    {
        using var scope = NewDisposeScope();
        if (DataGuard.Rows(given, width, name).size(0) != rows)
            throw new ArgumentException($"Expected {name} of shape [{rows}, {width}], got [{given.size(0)}, {given.size(1)}].", name);
    }
}
