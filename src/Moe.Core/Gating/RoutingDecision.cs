using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// What a router decided for a batch of tokens: who goes where, with what weight, and what was left out.
/// </summary>
/// <remarks>
/// <para>T tokens, K choices a token, E experts. Invariants: an expert is <see cref="Chosen"/> at most once in a row of <see cref="Indices"/>;
/// kept + dropped = what was chosen for real tokens; weights of what is not kept are 0.</para>
/// <para>Immutable. It owns its tensors, belongs to the dispose scope in which it was made (unless a <see cref="RoutingPass"/>
/// holds it), and is disposed as one; its plain numbers stay readable. Weights, scores and logits carry gradients to the router; indices and counts do not.
/// Equality is by reference.</para>
/// <para><see cref="Kept"/> and <see cref="Counts"/> may be made only when asked for first, on any thread. Within another dispose scope than the decision's they do not end with
/// either scope, but with <see cref="Dispose"/>.</para>
/// </remarks>
public sealed class RoutingDecision : IDisposable
{
    private readonly long[] _counts;
    private readonly long[] _assigned;
    private readonly Tensor? _perturbed;
    private Tensor? _kept;
    private Tensor? _countTensor;

    /// <summary>Puts a decision together; <paramref name="kept"/> and <paramref name="counts"/> are made when asked for if they are null: all are kept, and the host has the counts.</summary>
    internal RoutingDecision(RoutingProposal proposal, Tensor weights, Tensor? mask, Tensor? kept, Tensor? counts, RoutingCounts host)
    {
        Indices = proposal.Indices;
        Weights = weights;
        Logits = proposal.Logits;
        Scores = proposal.Scores;
        _perturbed = proposal.Perturbed;
        NoiseDeviation = proposal.NoiseDeviation;
        Temperature = proposal.Temperature;
        Chosen = proposal.Chosen;
        ScoresSumToOne = proposal.ScoresSumToOne;
        Slots = proposal.Slots;
        Mask = mask;
        _kept = kept;
        _countTensor = counts;
        TokenCount = Indices.size(0);
        TopK = (int)Indices.size(1);
        ValidTokens = host.ValidTokens;
        MostKept = host.MostKept;
        _counts = host.Kept;
        _assigned = host.Assigned;
    }

    /// <summary>The experts, [T, K], Int64, best first when routing is sparse and 0 … E-1 when K = E.</summary>
    public Tensor Indices { get; }

    /// <summary>The weights as applied, [T, K], Float32 (Float64 for Float64 tokens).</summary>
    public Tensor Weights { get; }

    /// <summary>Which of <see cref="Indices"/> the router meant, [T, K], Bool; null when all are. Padding is not taken out here.</summary>
    public Tensor? Chosen { get; }

    /// <summary>Which assignments take place, [T, K], Bool: false where none was meant, an expert was full, or the token is padding.</summary>
    public Tensor Kept => _kept ?? Own(ref _kept, ones(TokenCount, TopK, dtype: ScalarType.Bool, device: There));

    /// <summary>The router's raw output, before noise and temperature, [T, E].</summary>
    public Tensor Logits { get; }

    /// <summary>The logits after noise and temperature, [T, E]; the raw ones where there is neither.</summary>
    public Tensor PerturbedLogits => _perturbed ?? Logits;

    /// <summary>The standard deviation of the noise in <see cref="PerturbedLogits"/>, [T, E]; null without Gaussian noise.</summary>
    public Tensor? NoiseDeviation { get; }

    /// <summary>What logits and noise were divided by to become <see cref="PerturbedLogits"/> and <see cref="NoiseDeviation"/>.</summary>
    public double Temperature { get; }

    /// <summary>How well each expert suits each token (noise and temperature included), [T, E], 0 or more: for a softmax probabilities, the rows of which sum to 1.</summary>
    public Tensor Scores { get; }

    /// <summary>Whether each row of <see cref="Scores"/> sums to 1, as a softmax's does and a sigmoid's does not.</summary>
    public bool ScoresSumToOne { get; }

    /// <summary>Kept assignments of each expert, [E], Int64, on the tokens' device.</summary>
    public Tensor Counts => _countTensor ?? Own(ref _countTensor, tensor(_counts, dtype: ScalarType.Int64, device: There));

    /// <summary>Which tokens are real, [T], Bool; null when all are.</summary>
    public Tensor? Mask { get; }

    /// <summary>The slots that tokens are mixed into; null for routers that send tokens.</summary>
    public SlotMix? Slots { get; }

    /// <summary>T, padding included.</summary>
    public long TokenCount { get; }

    /// <summary>The tokens that are not padding.</summary>
    public long ValidTokens { get; }

    /// <summary>S: the tokens are T / S sequences of this length (the input's second to last dimension; T for a matrix).</summary>
    public long SequenceLength { get; internal init; }

    /// <summary>E.</summary>
    public int ExpertCount => _counts.Length;

    /// <summary>K.</summary>
    public int TopK { get; }

    /// <summary>What the weights are multiplied with.</summary>
    public WeightTarget WeightTarget { get; internal init; }

    /// <summary>What a token gets all of whose experts were full.</summary>
    public DroppedTokens DroppedTokens { get; internal init; }

    /// <summary>C, the places that each expert had, the most over the sequences if each has its own; null when there was no limit.</summary>
    public long? Capacity { get; internal init; }

    /// <summary>Kept assignments of each expert, on the host. Their sum is what the experts compute, slots apart.</summary>
    public IReadOnlyList<long> Load => _counts;

    /// <summary>Assignments the router made to each expert, before capacity dropped any; padding excluded.</summary>
    public IReadOnlyList<long> Assigned => _assigned;

    /// <summary>Assignments dropped because their expert was full.</summary>
    public long Dropped => _assigned.Sum() - _counts.Sum();

    /// <summary>M, the assignments that take place.</summary>
    internal long Routed => _counts.Sum();

    /// <summary>True when all T · K assignments take place.</summary>
    internal bool AllKept => Routed == TokenCount * TopK;

    /// <summary>The most assignments that any token has kept; K unless the router chooses different numbers for different tokens.</summary>
    internal long MostKept { get; }

    /// <summary>Those that there are now.</summary>
    internal IEnumerable<Tensor> Tensors
    {
        get
        {
            yield return Indices;
            yield return Weights;
            yield return Logits;
            yield return Scores;
            if (_kept is not null)
                yield return _kept;
            if (_countTensor is not null)
                yield return _countTensor;
            if (Mask is not null)
                yield return Mask;
            if (Chosen is not null)
                yield return Chosen;
            if (_perturbed is not null)
                yield return _perturbed;
            if (NoiseDeviation is not null)
                yield return NoiseDeviation;
            if (Slots is not null)
            {
                yield return Slots.Dispatch;
                yield return Slots.Combine;
            }
        }
    }

    /// <summary>Where the tensors are.</summary>
    private Device There
    {
        get
        {
            ObjectDisposedException.ThrowIf(Indices.IsInvalid, this);
            return Indices.device;
        }
    }

    /// <summary>Releases the decision's tensors.</summary>
    public void Dispose()
    {
        foreach (var tensor in Tensors)
            tensor.Dispose();
    }

    /// <summary>Takes over a tensor that was made late, unless another thread was faster. It must not end with a scope that the decision outlives.</summary>
    private Tensor Own(ref Tensor? place, Tensor made)
    {
        if (CurrentDisposeScope?.Contains(Indices) != true)
            made.DetachFromDisposeScope();
        if (Interlocked.CompareExchange(ref place, made, null) is not { } faster)
            return made;
        made.Dispose();
        return faster;
    }
}
