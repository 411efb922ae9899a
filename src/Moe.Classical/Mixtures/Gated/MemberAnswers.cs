using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>What one member says of rows that it has not seen, as far as that can be had, and its component fitted to all rows.</summary>
internal sealed class MemberAnswers
{
    private readonly MixtureMember _member;
    private readonly IExpert _expert;
    private readonly FitData _data;
    private readonly NoiseFamily? _family;
    private readonly double[] _answers;
    private readonly double[] _densities;
    private readonly double _floor;

    private MemberAnswers(MixtureMember member, IExpert expert, FitData data, NoiseFamily? family, Tensor answers, Tensor? densities, double floor, string? warning)
    {
        (_member, _expert, _data, _family, _floor, Warning) = (member, expert, data, family, floor, warning);
        _answers = HostMemory.Of<double>(answers).ToArray();
        _densities = densities is null ? [] : HostMemory.Of<double>(densities).ToArray();
    }

    public string? Warning { get; }

    /// <summary>Noise around the answers, by rows that count as much as they are the member's.</summary>
    /// <param name="shares">[n, K]; null if all rows are.</param>
    /// <param name="expert">Its column of them.</param>
    /// <param name="before">What stays if next to no row is the member's.</param>
    public NoiseModel? Noise(double[]? shares = null, int expert = 0, NoiseModel? before = null)
    {
        if (_family is null)
            return null;
        using var scope = NewDisposeScope();
        var weights = new double[_data.Rows];
        var own = NoiseNumbers.Weights(_data.Weights);
        var (experts, sum, total) = ((shares?.Length ?? 0) / weights.Length, 0.0, 0.0);
        for (var row = 0; row < weights.Length; row++)
        {
            var weight = own.IsEmpty ? 1 : own[row];
            weights[row] = weight * (shares is null ? 1 : shares[(row * experts) + expert]);
            (sum, total) = (sum + weights[row], total + weight);
        }
        return before is not null && !(sum > 1e-6 * total) ? before : _family.Fit(Answers(), _data.Response, tensor(weights), _floor);
    }

    /// <summary>Noise before any calibration.</summary>
    public NoiseModel? PlainNoise() => _family is CategoricalNoiseFamily && _member.Noise is null ? new CategoricalNoise() : Noise();

    /// <summary>log p(y), [n].</summary>
    public double[] LogDensities(NoiseModel? noise)
    {
        using var scope = NewDisposeScope();
        return noise is null ? _densities : HostMemory.Of<double>(noise.LogDensity(Answers(), _data.Response)).ToArray();
    }

    /// <summary>Answers as the component gives them, [n, Dout].</summary>
    public double[] Outputs(NoiseModel? noise)
    {
        using var scope = NewDisposeScope();
        return noise is CategoricalNoise categorical ? HostMemory.Of<double>(categorical.Probabilities(Answers())).ToArray() : _answers;
    }

    /// <summary>The expert that was fitted to all rows, with noise.</summary>
    public MixtureComponent Component(NoiseModel? noise) => new(_member.Name, _expert, noise, _member.Columns, isFixed: _member.Expert is not null);

    /// <summary>Asks a member, and fits it.</summary>
    /// <param name="member">Which.</param>
    /// <param name="data">Rows of weight above 0.</param>
    /// <param name="folds">Of these rows.</param>
    /// <param name="given">Its answers out of fold, [n, Dout]; null if it is to be asked.</param>
    /// <param name="options">The settings.</param>
    /// <param name="floor">The smallest standard deviation.</param>
    /// <param name="context">Seed and cancellation.</param>
    public static MemberAnswers Of(MixtureMember member, FitData data, Folds folds, Tensor? given, GatedExpertsOptions options, double floor, FitContext context)
    {
        using var scope = NewDisposeScope();
        var view = member.Columns is { } columns ? data.SelectColumns(columns) : data;
        var unseen = member.Learner is not null || given is not null || member.RowsAreNew;
        var (expert, answers, densities) = (member.Expert, given, (Tensor?)null);
        if (member.Learner is { } learner)
        {
            if (answers is null)
            {
                var run = CrossFit.Run(learner, view, folds, new CrossFitOptions { FitsAtOnce = options.FitsAtOnce, KeepExperts = member.OwnDensity, AllowOutOfSample = !member.OwnDensity }, context);
                (answers, expert) = (run.Predictions, run.FullFit);
                if (member.OwnDensity)
                    densities = Densities(member, run, view, folds);
                scope.Attach(answers);
            }
            expert ??= ExpertAnswers.Checked(ResampledFit.Fit(learner, view, context), view, learner.Name);
        }
        else if (member.OwnDensity)
        {
            densities = ((IDensityExpert)expert!).LogDensity(view.Inputs, view.Response);
        }
        answers ??= ExpertAnswers.Of(expert!, view.Inputs);
        var family = member.OwnDensity ? null : FamilyOf(member, data.Response.Kind, options.Calibrate && unseen);
        var warning = unseen ? null
            : $"Expert \"{member.Name}\" is fixed and may have seen these rows, so that its answers to them may be better than it is and the gate may trust it too much. "
            + $"Give its learner, its answers out of fold, or set {nameof(MixtureMember.RowsAreNew)} if it has not seen them.";
        return new MemberAnswers(member, expert!, data, family, answers, densities, floor, warning);
    }

    private Tensor Answers() => tensor(_answers, [_data.Rows, _data.Response.Width]);

    private static NoiseFamily FamilyOf(MixtureMember member, ResponseKind kind, bool calibrate) =>
        member.Noise ?? (kind == ResponseKind.Class ? new CategoricalNoiseFamily(calibrate) : NoiseFamilies.DefaultFor(kind));

    private static Tensor Densities(MixtureMember member, CrossFit run, FitData view, Folds folds)
    {
        var all = empty(view.Rows, dtype: ScalarType.Float64, device: CPU);
        var target = HostMemory.Of<double>(all);
        for (var fold = 0; fold < folds.Count; fold++)
        {
            using var scope = NewDisposeScope();
            var rows = folds.TestRows(fold);
            var test = view.Select(rows);
            if (run.Experts[fold] is not IDensityExpert density)
                throw new ArgumentException($"Member \"{member.Name}\" has OwnDensity, but its expert has none ({nameof(IDensityExpert)}).", nameof(member));
            var log = HostMemory.Of<double>(density.LogDensity(test.Inputs, test.Response));
            var numbers = HostMemory.Of<long>(rows);
            for (var place = 0; place < numbers.Length; place++)
                target[(int)numbers[place]] = log[place];
        }
        return all;
    }
}
