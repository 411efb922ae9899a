using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>One member of a gradient training: a network that the gradient trains, or a black box whose answers are constants between refits.</summary>
internal sealed class GradientPart
{
    private static readonly Tensor HalfLogTwoPi = tensor(0.5 * Math.Log(2 * Math.PI)).DetachFromDisposeScope();
    private readonly GradientRows _rows;
    private readonly GradientOptions _options;
    private readonly NoiseFamily? _family;
    private readonly FitData _all;
    private readonly FitData _train;
    private readonly NetworkScales? _scales;
    private readonly Tensor? _inputs;
    private readonly long _seed;

    public GradientPart(MixtureMember member, int place, GradientRows rows, GradientOptions options, long seed)
    {
        (Member, _rows, _options, _seed) = (member, rows, options, Members.Seed(seed, place + 10));
        _family = member.OwnDensity ? null : member.Noise ?? NoiseFamilies.DefaultFor(Kind);
        (_all, _train) = member.Columns is null ? (rows.Data, rows.Train) : (rows.Data.SelectColumns(member.Columns), rows.Train.SelectColumns(member.Columns));
        if (member.Learner is NetworkLearner network)
        {
            _scales = NetworkScales.Of(_train);
            _inputs = _scales.Apply(_all.Inputs);
            Module = NetworkWeights.Make(network.Factory, _all.Width, _all.Response.Width, _seed);
        }
        if (_family is GaussianNoiseFamily)
            LogSigma = zeros(1, dtype: ScalarType.Float64, device: CPU, requires_grad: true);
        Now = new State(member.Expert, null, null, null);
    }

    public MixtureMember Member { get; }

    /// <summary>The network; null for a black box.</summary>
    public nn.Module<Tensor, Tensor>? Module { get; }

    /// <summary>log σ of standardised responses, [1]; null for other noise.</summary>
    public Tensor? LogSigma { get; }

    /// <summary>True if it is judged by rows that it has not seen.</summary>
    public bool IsOutOfFold => Module is null && Member.Learner is { OverfitsOwnRows: true };

    /// <summary>True if its noise is the least allowed.</summary>
    public bool IsAtFloor => LogSigma is not null && LogSigma.item<double>() <= Math.Log(_options.SigmaFloor) + 1e-9;

    /// <summary>A black box as it is.</summary>
    public State Now { get; set; }

    private ResponseKind Kind => _rows.Data.Response.Kind;

    /// <summary>What it says of real responses, standardised, [m], with gradients where it is a network.</summary>
    public Tensor Means(Tensor index) => Module is null ? Now.Means!.index_select(0, index) : Outputs(index).squeeze(1);

    /// <summary>log p of some rows, [m].</summary>
    public Tensor LogDensity(Tensor index)
    {
        if (LogSigma is not null)
        {
            var z = _rows.Values.index_select(0, index).sub(Means(index)).mul(LogSigma.neg().exp());
            return z.mul(z).mul(KeptScalars.MinusHalf).sub(LogSigma).sub(HalfLogTwoPi);
        }
        if (Module is null)
            return Now.Log!.index_select(0, index);
        var outputs = Outputs(index);
        var values = _rows.Values.index_select(0, index);
        if (Kind == ResponseKind.Class)
            return outputs.log_softmax(1).gather(1, values.to(ScalarType.Int64).unsqueeze(1)).squeeze(1);
        var eta = outputs.squeeze(1);
        var constants = _rows.Constants.index_select(0, index);
        return Kind == ResponseKind.Count
            ? eta.mul(values).sub(eta.exp()).add(constants, KeptScalars.One)
            : eta.mul(values).sub(stack([zeros_like(eta), eta], 1).logsumexp(1).mul(_rows.Data.Response.Trials!.index_select(0, index))).add(constants, KeptScalars.One);
    }

    /// <summary>Refits a black box to its shares of the trained rows: the expert if it learns, and noise that gradients do not train.</summary>
    public void Refit(double[] shares, CancellationToken cancellation)
    {
        if (Module is not null)
            return;
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        var weights = HostMemory.Of<double>(_rows.Weights);
        var own = new double[shares.Length];
        for (var row = 0; row < own.Length; row++)
            own[row] = Math.Max(shares[row], 1e-6) * weights[(int)_rows.Trained[row]];
        var (expert, answers) = (Now.Expert, (Tensor?)null);
        if (Member.Learner is { } learner)
        {
            var train = _train.WithWeights(tensor(own));
            var context = new FitContext { Previous = Now.Expert, Seed = _seed, CancellationToken = cancellation };
            using var cross = learner.OverfitsOwnRows
                ? CrossFit.Run(learner, train, Folds.Stratified(train.Response, _options.Folds, _seed), context: context with { Previous = null })
                : null;
            expert = cross?.FullFit ?? ExpertAnswers.Checked(ResampledFit.Fit(learner, train, context), train, learner.Name);
            answers = ExpertAnswers.Of(expert, _all.Inputs);
            if (cross is not null)
                Place(cross.Predictions, answers);
        }
        else if (Now is { Answers: { } known })
        {
            answers = known;
        }
        else if (_family is not null || _options.Loss == GradientLoss.BlendedError)
        {
            answers = ExpertAnswers.Of(expert!, _all.Inputs);
        }
        Now = StateOf(expert!, answers, own);
        scope.MoveToOuter(Now.Tensors);
    }

    /// <summary>The fitted component.</summary>
    /// <param name="shares">Its shares of all rows, for noise that the loss did not train.</param>
    /// <param name="sigmaIsTrained">True if the loss looked at σ.</param>
    public MixtureComponent Finish(double[] shares, bool sigmaIsTrained)
    {
        using var scope = NewDisposeScope();
        var expert = Now.Expert;
        if (Module is not null)
        {
            foreach (var parameter in Module.parameters())
                parameter.grad = null;
            expert = new NetworkExpert(Module, Kind, _scales!, _all.Response.Width, ((NetworkLearner)Member.Learner!).Options.FactoryName);
        }
        var noise = Now.Noise;
        if (LogSigma is not null && sigmaIsTrained)
        {
            noise = new GaussianNoise(Math.Exp(LogSigma.item<double>()) * _rows.GateScales.ResponseScale);
        }
        else if (_family is not null && noise is null)
        {
            var weights = HostMemory.Of<double>(_rows.Weights);
            var own = new double[shares.Length];
            for (var row = 0; row < own.Length; row++)
                own[row] = Math.Max(shares[row], 1e-6) * weights[row];
            noise = _family.Fit(Now.Answers ?? ExpertAnswers.Of(expert!, _all.Inputs), _all.Response, tensor(own), Floor);
        }
        return new MixtureComponent(Member.Name, expert!, noise, Member.Columns, isFixed: Member.Expert is not null);
    }

    private double Floor => _options.SigmaFloor * _rows.GateScales.ResponseScale;

    private Tensor Outputs(Tensor index)
    {
        var outputs = Module!.call(_inputs!.index_select(0, index));
        return outputs.dim() == 2 && outputs.size(0) == index.size(0) && outputs.size(1) == _all.Response.Width
            ? outputs
            : throw new ArgumentException($"The network of member \"{Member.Name}\" answered {index.size(0)} rows with [{string.Join(", ", outputs.shape)}]; expected [{index.size(0)}, {_all.Response.Width}].", nameof(index));
    }

    private State StateOf(IExpert expert, Tensor? answers, double[] own)
    {
        Tensor? means = null;
        if (answers is not null && Kind == ResponseKind.Real)
        {
            means = answers.reshape(-1).clone();
            foreach (ref var mean in HostMemory.Of<double>(means))
                mean = (mean - _rows.GateScales.ResponseMean) / _rows.GateScales.ResponseScale;
        }
        if (LogSigma is not null)
            return new State(expert, null, answers, means);
        NoiseModel? noise = null;
        Tensor log;
        if (_family is null)
        {
            log = ((IDensityExpert)expert).LogDensity(_all.Inputs, _all.Response);
        }
        else
        {
            noise = _family.Fit(answers!.index_select(0, tensor(_rows.Trained)), _train.Response, tensor(own), Floor);
            log = noise.LogDensity(answers, _all.Response);
        }

        // Densities of standardised responses; a row is never quite impossible, so that gradients stay finite.
        var shift = Kind == ResponseKind.Real ? Math.Log(_rows.GateScales.ResponseScale) : 0;
        log = log.clone();
        foreach (ref var value in HostMemory.Of<double>(log))
            value = Math.Max(value + shift, -700);
        return new State(expert, noise, answers, means) { Log = log };
    }

    private void Place(Tensor predictions, Tensor answers)
    {
        var from = HostMemory.Of<double>(predictions);
        var to = HostMemory.Of<double>(answers);
        var width = (int)answers.size(1);
        for (var row = 0; row < _rows.Trained.Length; row++)
            from.Slice(row * width, width).CopyTo(to[((int)_rows.Trained[row] * width)..]);
    }

    /// <summary>A black box between refits: its answers to all rows, which are honest for trained ones, standardised means, log-densities.</summary>
    public sealed record State(IExpert? Expert, NoiseModel? Noise, Tensor? Answers, Tensor? Means)
    {
        public Tensor? Log { get; init; }

        public IEnumerable<Tensor> Tensors => new[] { Answers, Means, Log }.OfType<Tensor>();
    }
}
