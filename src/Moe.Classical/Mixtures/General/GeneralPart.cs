using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>One member in one start: fits its expert to its share, asks it honestly, fits the noise.</summary>
internal sealed class GeneralPart
{
    private readonly MixtureRows _rows;
    private readonly EmOptions _options;
    private readonly NoiseFamily? _family;
    private readonly long _seed;
    private readonly IExpert?[] _inFold;
    private readonly bool _inFolds;
    private readonly int _fitsAtOnce;
    private double[] _predictions = [];
    private bool _fitted;

    public GeneralPart(MixtureMember member, int place, MixtureRows rows, EmOptions options, int start, int fitsAtOnce)
    {
        (Member, Place, _rows, _options, _fitsAtOnce) = (member, place, rows, options, fitsAtOnce);
        _family = member.OwnDensity ? null : member.Noise ?? NoiseFamilies.DefaultFor(rows.Data.Response.Kind);
        _seed = MixtureRows.SeedOf(options.Seed, start, place, 3);
        IsHonest = JudgesHonestly(member, options);
        _inFolds = IsHonest && (_family is null || member.Learner is not { AnswersOutOfSample: true, Weights: WeightSupport.Native });
        _inFold = new IExpert?[options.Folds];
        Now = new PartState(member.Expert, null);
    }

    public MixtureMember Member { get; }

    /// <summary>Which member it is.</summary>
    public int Place { get; }

    /// <summary>True if it is judged on rows that it has not seen.</summary>
    public bool IsHonest { get; }

    /// <summary>True if its learner takes rows or leaves them.</summary>
    public bool TakesWholeRows => Member.Learner?.Weights == WeightSupport.HardOnly;

    /// <summary>True if its noise is the least allowed.</summary>
    public bool IsAtFloor => Now.Noise switch
    {
        GaussianNoise noise => noise.Sigma <= _rows.Floor * (1 + 1e-9),
        LaplaceNoise noise => noise.Scale * Math.Sqrt(2) <= _rows.Floor * (1 + 1e-9),
        _ => false,
    };

    public PartState Now { get; set; }

    private MixtureRows.View View => _rows.Views[Place];

    /// <summary>True if a fit needs folds: to judge members, or to choose the ridge of a gate over experts that are all fixed.</summary>
    public static bool NeedsFolds(MixtureLearner learner) =>
        learner.Members.Any(member => JudgesHonestly(member, learner.Options))
        || (learner.Gate is null && learner.Options.GateRidge is null && learner.Members.Count > 1 && learner.Members.All(member => member.Expert is not null));

    public static bool JudgesHonestly(MixtureMember member, EmOptions options) =>
        member.Learner is { } learner && (options.Judge == Judge.OutOfFold || (options.Judge == Judge.Auto && learner.OverfitsOwnRows));

    /// <summary>Fits expert and noise to a column of the shares, and writes the column of log-densities.</summary>
    /// <returns>Why it could not; null if it could.</returns>
    public string? Fit(double[] shares, int expert, int experts, int[]? labels, double[] logDensity, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        using var scope = NewDisposeScope();
        var weights = WeightsOf(shares, expert, experts);
        var isOwn = TakesWholeRows ? Array.ConvertAll(labels!, label => label == expert) : null;
        var before = Now;
        try
        {
            if (weights.Sum() is var sum && !(sum > 1e-12 * _rows.Total))
                return Keeps("no row is left to it");
            var prediction = Predict(weights, isOwn, cancellation, out var own);
            if (_family is null)
            {
                Write(own!, expert, experts, logDensity);
            }
            else
            {
                var noise = _family.Fit(prediction!, _rows.Data.Response, tensor(weights), _rows.Floor);
                _predictions = _options.SharedSigma ? HostMemory.Of<double>(prediction!).ToArray() : [];
                Now = Now with { Noise = noise };
                Write(noise.LogDensity(prediction!, _rows.Data.Response), expert, experts, logDensity);
            }
            _fitted = true;
            return null;
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
        {
            Now = before;
            return Keeps(exception.Message);
        }
    }

    /// <summary>The noise that it shares with others.</summary>
    public void SetNoise(NoiseModel noise, int expert, int experts, double[] logDensity)
    {
        using var scope = NewDisposeScope();
        Now = Now with { Noise = noise };
        Write(noise.LogDensity(tensor(_predictions, [_rows.Count, 1]), _rows.Data.Response), expert, experts, logDensity);
    }

    /// <summary>The fitted component: where only experts of folds were fitted, one is fitted to all rows now.</summary>
    /// <param name="shares">The shares of the iterate that is kept.</param>
    /// <param name="expert">Its column of them.</param>
    /// <param name="experts">K.</param>
    /// <param name="random">For learners that take rows or leave them.</param>
    /// <param name="cancellation">Cancels.</param>
    public MixtureComponent Finish(double[] shares, int expert, int experts, int[]? random, CancellationToken cancellation)
    {
        var fitted = Now.Expert;
        if (fitted is null)
        {
            var isOwn = TakesWholeRows ? Array.ConvertAll(random!, label => label == expert) : null;
            fitted = FitTo(View.All, WeightsOf(shares, expert, experts), isOwn, Context(null, 0, cancellation));
        }
        return new MixtureComponent(Member.Name, fitted, Now.Noise, Member.Columns, isFixed: Member.Expert is not null);
    }

    /// <summary>Under <see cref="OnSmall.Keep"/> the last fit stays, if there is one.</summary>
    private string? Keeps(string reason) => _options.OnSmall == OnSmall.Keep && _fitted ? null : reason;

    private double[] WeightsOf(double[] shares, int expert, int experts)
    {
        var weights = new double[_rows.Count];
        for (var (row, place) = (0, expert); row < weights.Length; row++, place += experts)
            weights[row] = _rows.Weights[row] * shares[place];
        return weights;
    }

    /// <summary>Predictions [n, Dout] for noise to be fitted to, or its own log-densities [n].</summary>
    private Tensor? Predict(double[] weights, bool[]? isOwn, CancellationToken cancellation, out Tensor? own)
    {
        own = null;
        if (Member.Learner is null)
        {
            if (_family is null)
                own = ((IDensityExpert)Member.Expert!).LogDensity(View.All.Inputs, _rows.Data.Response);
            return _rows.Fixed[Place];
        }
        if (_inFolds)
            return InFolds(weights, isOwn, cancellation, out own);
        var fitted = FitTo(View.All, weights, isOwn, Context(Now.Expert, 0, cancellation));
        Now = Now with { Expert = fitted };
        if (_family is null)
            own = Density(fitted, View.All);
        return _family is null ? null : IsHonest ? ExpertAnswers.OutOfSample(fitted, Member.Learner.Name) : ExpertAnswers.Of(fitted, View.All.Inputs);
    }

    private Tensor? InFolds(double[] weights, bool[]? isOwn, CancellationToken cancellation, out Tensor? own)
    {
        var width = _family is null ? 1 : _rows.Data.Response.Width;
        var all = empty(_rows.Count, width, dtype: ScalarType.Float64, device: CPU);
        ParallelRuns.Run(View.Splits.Length, _fitsAtOnce, Fold, cancellation);
        own = _family is null ? all : null;
        return _family is null ? null : all;

        void Fold(int fold)
        {
            using var scope = NewDisposeScope();
            using var constant = no_grad();
            var split = View.Splits[fold];
            var expert = FitTo(split.Train, Picked(weights, split.TrainRows), isOwn is null ? null : Picked(isOwn, split.TrainRows), Context(_inFold[fold], fold + 1, cancellation));
            _inFold[fold] = expert;
            var answer = HostMemory.Of<double>(_family is null ? Density(expert, split.Test) : ExpertAnswers.Of(expert, split.Test.Inputs));
            var target = HostMemory.Of<double>(all);
            for (var place = 0; place < split.TestRows.Length; place++)
                answer.Slice(place * width, width).CopyTo(target[((int)split.TestRows[place] * width)..]);
        }
    }

    /// <summary>Fits to weights; a learner that takes rows or leaves them gets those that are its own.</summary>
    private IExpert FitTo(FitData rows, double[] weights, bool[]? isOwn, FitContext context)
    {
        using var scope = NewDisposeScope();
        var each = isOwn is null ? weights : [.. weights.Select((weight, row) => weight > 0 && isOwn[row] ? 1.0 : 0)];
        return ResampledFit.Fit(Member.Learner!, rows.WithWeights(tensor(each)), context);
    }

    private Tensor Density(IExpert expert, FitData data) => expert is IDensityExpert density
        ? density.LogDensity(data.Inputs, data.Response)
        : throw new ArgumentException($"Expert \"{Member.Name}\" has no density of its own ({nameof(IDensityExpert)}).");

    private FitContext Context(IExpert? previous, int fold, CancellationToken cancellation) =>
        new() { Previous = previous, Seed = MixtureRows.SeedOf(_seed, fold), CancellationToken = cancellation };

    private static T[] Picked<T>(T[] values, long[] rows) => Array.ConvertAll(rows, row => values[row]);

    private static void Write(Tensor log, int expert, int experts, double[] logDensity)
    {
        var values = HostMemory.Of<double>(log);
        for (var (row, place) = (0, expert); row < values.Length; row++, place += experts)
            logDensity[place] = values[row];
    }
}
