using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// Decides which experts each token is sent to. <see cref="GatingNetwork"/> is the one to start with; derive from this class for a router
/// of your own, which has to say only what it wants (<see cref="Propose"/>).
/// </summary>
/// <remarks>
/// <para>This class does what all routers share: it checks the input, takes padding out, computes in Float32 at least, enforces capacity,
/// counts with one read from the device, and refuses what is not finite. Shapes: T tokens, D input width, E experts, K choices.</para>
/// <para>Its parameters stay in Float32 when a model is moved to BFloat16 or Float16: rounding logits changes who is chosen. Float64 tokens
/// are routed in Float64.</para>
/// <para>Forward passes may run on several threads at once, unless they share a generator. <c>RouterContract</c> in Moe.Testing puts a
/// router through the laws that a layer relies on.</para>
/// </remarks>
public abstract class Router : nn.Module<Tensor, RoutingDecision>
{
    /// <summary>Begins a router.</summary>
    /// <param name="name">The name of the type.</param>
    /// <param name="inputWidth">D, at least 1.</param>
    /// <param name="expertCount">E, at least 1.</param>
    protected Router(string name, long inputWidth, int expertCount)
        : base(name)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputWidth, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(expertCount, 1);
        InputWidth = inputWidth;
        ExpertCount = expertCount;
        Draws = new RandomDraws(this);
    }

    /// <summary>D, the width of a token.</summary>
    public long InputWidth { get; }

    /// <summary>E, the number of experts to choose from.</summary>
    public int ExpertCount { get; }

    /// <summary>
    /// Whether where a token goes depends on no later token of its sequence. (Tokens of other sequences may compete with it for places.) A model that predicts a
    /// sequence token by token must not be trained with a router that looks ahead.
    /// </summary>
    public abstract bool IsCausal { get; }

    /// <summary>The experts, the last ones, that a token may be sent to in order not to be answered; they must be <see cref="ZeroExpert"/>s.</summary>
    /// <value>0 unless a router has some.</value>
    public virtual int NullExpertCount => 0;

    /// <summary>The source of randomness; null for torch's global one. Not owned.</summary>
    public Generator? Generator { get; set; }

    /// <summary>How many assignments an expert takes; null for as many as are made.</summary>
    public virtual CapacityOptions? Capacity => null;

    /// <summary>What the weights are multiplied with.</summary>
    public virtual WeightTarget WeightTarget => WeightTarget.Output;

    /// <summary>Random numbers from <see cref="Generator"/>.</summary>
    protected internal RandomDraws Draws { get; }

    internal bool IsDisposed { get; private set; }

    /// <summary>Whether proposals are known to be of the right shapes and to name experts that there are; all others are checked.</summary>
    internal virtual bool IsTrusted => false;

    /// <summary>Where tokens must be: on the device of the first parameter, or on any if there is none.</summary>
    internal virtual Device? TokenDevice => parameters().FirstOrDefault()?.device;

    /// <summary>Routes tokens that are all real; the same as <see cref="Route(Tensor)"/>.</summary>
    /// <inheritdoc cref="Route(Tensor)"/>
    public override RoutingDecision forward(Tensor input) => Route(input, RoutingContext.None);

    /// <summary>Decides which experts each token is sent to. All tokens are real.</summary>
    /// <param name="input">Tokens, [*, D], any floating type, on the router's device; leading dimensions are flattened to T. Not kept.</param>
    /// <returns>The decision; the caller owns it.</returns>
    /// <inheritdoc cref="Route(Tensor, RoutingContext)"/>
    public RoutingDecision Route(Tensor input) => Route(input, RoutingContext.None);

    /// <summary>Decides which experts each token is sent to.</summary>
    /// <param name="input">Tokens, [*, D], any floating type, on the router's device; leading dimensions are flattened to T. Not kept.</param>
    /// <param name="mask">True for real tokens, [*], Bool; null when all are. Padding is not routed and counts nowhere.</param>
    /// <returns>The decision; the caller owns it.</returns>
    /// <inheritdoc cref="Route(Tensor, RoutingContext)"/>
    public RoutingDecision Route(Tensor input, Tensor? mask) =>
        Route(input, mask is null ? RoutingContext.None : new RoutingContext { Mask = mask });

    /// <summary>Decides which experts each token is sent to, with all that may be known about the tokens.</summary>
    /// <param name="input">Tokens, [*, D], any floating type, on the router's device; leading dimensions are flattened to T. Not kept.</param>
    /// <param name="context">Padding, token ids, forced choices.</param>
    /// <returns>The decision; the caller owns it.</returns>
    /// <exception cref="ArgumentException">Shape, type or device of an argument is not as stated, there is no token, or an entry is out of range.</exception>
    /// <exception cref="NonFiniteRoutingException">A real token's logits are NaN or infinite, before or after noise and temperature.</exception>
    /// <exception cref="InvalidOperationException">Randomness is to be drawn from a generator on another device, or the router proposed what cannot be.</exception>
    /// <exception cref="ObjectDisposedException">The router or an argument has been disposed.</exception>
    public RoutingDecision Route(Tensor input, RoutingContext context)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        ArgumentNullException.ThrowIfNull(context);
        TensorGuard.Rows(input, InputWidth, nameof(input));
        TensorGuard.NotEmpty(input, nameof(input));
        if (TokenDevice is { } device)
            TensorGuard.SameDevice(input, device, nameof(input), "the gate");
        context.Check(input, ExpertCount);
        if (!IsTrusted)
            Capacity?.Validate(nameof(Capacity));

        using var scope = NewDisposeScope();
        // Copied, as are forced choices: the decision must not change when the caller uses their memory again.
        var mask = context.Mask?.reshape(-1).clone();
        // A router of the user's own gets a tensor of its own, whatever it does with it.
        var tokens = IsTrusted && input.dim() == 2 ? input : input.reshape(-1, InputWidth);
        if (mask is not null)
        {
            // Padding may hold anything, NaN too; 0 · NaN in the backward pass would spoil the router's gradient.
            tokens = tokens.masked_fill(mask.bitwise_not().unsqueeze(-1), 0);
        }
        var type = RoutingType(tokens.dtype);
        if (tokens.dtype != type)
            tokens = tokens.to(type);
        var length = input.dim() > 2 ? input.size(-2) : tokens.size(0);
        var given = new RouterInput(
            tokens, mask, context.TokenIds?.reshape(-1), context.ForcedIndices?.reshape(tokens.size(0), -1).clone(), length, training);
        var proposal = Propose(given);
        if (!IsTrusted)
            proposal.Check(given, ExpertCount, GetType().Name);
        var decision = new Enforcement(this, proposal.Settled(scope, given, this), mask, length).Decide();
        scope.MoveToOuter(decision.Tensors);
        return decision;
    }

    /// <summary>Says where tokens should go. Called within a dispose scope: what is made here needs no disposing.</summary>
    /// <param name="input">The tokens. Padding is there as zeros; what is proposed for it is ignored.</param>
    /// <returns>What the router wants. Tensors that it keeps may be among it, and stay the router's.</returns>
    protected internal abstract RoutingProposal Propose(RouterInput input);

    /// <summary>The type that is routed in.</summary>
    /// <param name="type">The tokens' type.</param>
    /// <returns>Float64 for Float64, Float32 for anything else.</returns>
    protected static ScalarType RoutingType(ScalarType type) => type == ScalarType.Float64 ? type : ScalarType.Float32;

    /// <summary>Keeps the router in Float32 when the model around it moves to a narrower type.</summary>
    /// <inheritdoc/>
    protected override nn.Module _to(ScalarType dtype, bool non_blocking) => base._to(RoutingType(dtype), non_blocking);

    /// <summary>Keeps the router in Float32 when the model around it moves to a narrower type.</summary>
    /// <inheritdoc/>
    protected override nn.Module _to(Device device, ScalarType dtype, bool non_blocking) =>
        base._to(device, RoutingType(dtype), non_blocking);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        IsDisposed = true;
        base.Dispose(disposing);
    }
}
