using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// A mixture of experts, y(x) = Σ gᵢ(x) · fᵢ(x) over the experts the gate chooses for x (Jacobs et al. 1991; sparse: Shazeer et al. 2017, eq. 1).
/// </summary>
/// <remarks>
/// <para>The way of a token: gate → dispatch → experts → combine. Tokens are gathered by expert, each expert runs once on all of its own
/// rows, and the answers come back weighted; there is no loop over tokens, and one small read from the device a forward pass.
/// Shared experts answer every token, with weight 1.</para>
/// <para>Shapes: input [*, D] → output [*, Dout], same type and device. Types: Float32, Float64, BFloat16 (Float16 where torch has it).
/// Padding gets 0, and so does a token all of whose experts were full, unless the router's capacity lets it pass through.</para>
/// <para>It owns gate and experts: those that are modules are registered (as <c>gate.*</c>, <c>experts.0.*</c>, …, each under its index,
/// a stack under that of its first expert), moved, saved, trained and disposed with it.</para>
/// <para>A mixture may be an expert of another one: it is asked about the rows that the outer gate sends it, and where a
/// <see cref="RoutingPass"/> is given, it adds its own decision there.</para>
/// <para>Forward passes may run on several threads at once if the experts allow it.</para>
/// </remarks>
public sealed class MixtureOfExperts : nn.Module<Tensor, Tensor>, IExpert, IRoutedModule
{
    [ComponentName(Name = "experts")]
    private readonly ExpertPool _experts;

    [ComponentName(Name = "shared_experts")]
    private readonly ExpertPool? _shared;

    /// <summary>Puts a layer together.</summary>
    /// <param name="gate">Chooses among the experts.</param>
    /// <param name="experts">
    /// The experts, of any kinds, as many as the gate expects, all of the same input and output width. Feed-forward experts with equal
    /// options are stored stacked (see <see cref="StackableExpert"/>).
    /// </param>
    /// <param name="sharedExperts">Experts that answer every token besides; null for none.</param>
    /// <exception cref="ArgumentException">
    /// Numbers or widths do not fit, an expert is null or there twice, or a stack is there in part. Nothing has been taken over then.
    /// </exception>
    public MixtureOfExperts(Router gate, IEnumerable<IExpert> experts, IEnumerable<IExpert>? sharedExperts = null)
        : base(nameof(MixtureOfExperts))
    {
        ArgumentNullException.ThrowIfNull(gate);
        ArgumentNullException.ThrowIfNull(experts);
        var routed = experts.ToArray();
        var shared = sharedExperts?.ToArray() ?? [];
        ExpertRules.Check(gate, routed, shared);

        Gate = gate;
        OutputWidth = routed[0].OutputWidth;
        _experts = new ExpertPool("experts", routed);
        _shared = shared.Length > 0 ? new ExpertPool("shared_experts", shared) : null;
        RegisterComponents();
    }

    /// <summary>Chooses among the experts.</summary>
    [field: ComponentName(Name = "gate")]
    public Router Gate { get; }

    /// <summary>The experts in the order of their indices; those that are stored stacked show as views of their stack.</summary>
    public IReadOnlyList<IExpert> Experts => _experts.Experts;

    /// <summary>Where the parameters of each expert lie in the layer's state, in the order of their indices; null for an expert that is no module, and has none.</summary>
    public IReadOnlyList<ExpertPlace?> ExpertPlaces => _experts.Places;

    /// <summary>The experts that answer every token.</summary>
    public IReadOnlyList<IExpert> SharedExperts => _shared?.Experts ?? [];

    /// <summary>D.</summary>
    public long InputWidth => Gate.InputWidth;

    /// <summary>Dout.</summary>
    public long OutputWidth { get; }

    internal bool IsDisposed { get; private set; }

    /// <summary>Answers tokens that are all real.</summary>
    /// <param name="input">[*, D], of the experts' type, on the gate's device. Not kept.</param>
    /// <returns>[*, Dout]; the caller owns it.</returns>
    /// <exception cref="ArgumentException">Shape, type or device is not as stated, or there is no token.</exception>
    /// <exception cref="NonFiniteRoutingException">The gate's logits are NaN or infinite.</exception>
    /// <exception cref="InvalidOperationException">An expert gave an answer of the wrong shape.</exception>
    /// <exception cref="ObjectDisposedException">The layer or the input has been disposed.</exception>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(Mix(input, RoutingContext.None, pass: null).Output);
    }

    /// <summary>Answers tokens, and adds the decision to <paramref name="pass"/>, whose mask says which are real.</summary>
    /// <inheritdoc cref="forward(Tensor)"/>
    /// <param name="input">[*, D], of the experts' type, on the gate's device. Not kept.</param>
    /// <param name="pass">Collects the decision.</param>
    public Tensor forward(Tensor input, RoutingPass pass)
    {
        ArgumentNullException.ThrowIfNull(pass);
        using var scope = NewDisposeScope();
        TensorGuard.Rows(input, InputWidth, nameof(input));
        return scope.MoveToOuter(Mix(input, pass.NextContext(input, Gate.ExpertCount), pass).Output);
    }

    /// <summary>As an expert, a mixture may be asked about no rows at all; tokens that a caller gives a layer must be there.</summary>
    Tensor IExpert.forward(Tensor input)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        TensorGuard.Matrix(input, InputWidth, nameof(input));
        return input.size(0) == 0 ? zeros(0, OutputWidth, dtype: input.dtype, device: input.device) : forward(input);
    }

    /// <summary>Answers tokens that are all real, and says who answered.</summary>
    /// <inheritdoc cref="forward(Tensor)"/>
    /// <returns>Output and decision; the caller owns both.</returns>
    public MixtureOutput ForwardWithRouting(Tensor input) => ForwardWithRouting(input, RoutingContext.None);

    /// <summary>Answers tokens, and says who answered.</summary>
    /// <inheritdoc cref="forward(Tensor)"/>
    /// <param name="input">[*, D], of the experts' type, on the gate's device. Not kept.</param>
    /// <param name="mask">True for real tokens, [*], Bool; null when all are. Padding is not routed, counts nowhere, and gets 0.</param>
    /// <returns>Output and decision; the caller owns both.</returns>
    public MixtureOutput ForwardWithRouting(Tensor input, Tensor? mask) =>
        ForwardWithRouting(input, mask is null ? RoutingContext.None : new RoutingContext { Mask = mask });

    /// <summary>Answers tokens, with all that may be known about them, and says who answered.</summary>
    /// <inheritdoc cref="forward(Tensor)"/>
    /// <param name="input">[*, D], of the experts' type, on the gate's device. Not kept.</param>
    /// <param name="context">Padding, token ids, forced choices.</param>
    /// <returns>Output and decision; the caller owns both.</returns>
    public MixtureOutput ForwardWithRouting(Tensor input, RoutingContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        using var scope = NewDisposeScope();
        var result = Mix(input, context, pass: null);
        scope.MoveToOuter(result.Routing.Tensors.Append(result.Output));
        return result;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        IsDisposed = true;
        base.Dispose(disposing);
    }

    /// <summary>The whole layer: gate → dispatch → experts → combine.</summary>
    private MixtureOutput Mix(Tensor input, RoutingContext context, RoutingPass? pass)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        TensorGuard.Rows(input, InputWidth, nameof(input));
        _experts.RequireType(input, nameof(input));
        _shared?.RequireType(input, nameof(input));

        var routing = Gate.Route(input, context);
        pass?.Add(this, routing);
        // Experts are asked about rows of several tokens, in another order, and never about padding.
        var inner = pass?.ForExperts();
        var tokens = input.dim() == 2 ? input : input.reshape(-1, InputWidth);
        var plan = DispatchPlan.From(routing);
        var output = plan.Fused(_experts, tokens)
            ?? plan.Combine(_experts.Answer(plan.Gather(tokens), plan.RowsPerExpert, inner), tokens, OutputWidth);
        if (_shared is not null)
            output = output + Shared(tokens, routing, inner);
        return new MixtureOutput(input.dim() == 2 ? output : output.reshape([.. input.shape[..^1], OutputWidth]), routing);
    }

    /// <summary>The sum of the shared experts' answers; 0 for padding, which they never see.</summary>
    private Tensor Shared(Tensor tokens, RoutingDecision routing, RoutingPass? pass)
    {
        if (routing.Mask is null)
            return Sum(_shared!, tokens, pass);
        if (routing.ValidTokens == 0)
            return zeros(tokens.size(0), OutputWidth, dtype: tokens.dtype, device: tokens.device);

        // Real tokens first, in their order. Their number is known already; nonzero would read it from the device once more.
        var (_, order) = routing.Mask.bitwise_not().to(ScalarType.Byte).sort(0, descending: false, stable: true);
        var sum = Sum(_shared!, Rows.Pick(tokens, order.narrow(0, 0, routing.ValidTokens)), pass);
        var padding = zeros(1, OutputWidth, dtype: tokens.dtype, device: tokens.device);
        return Rows.Pick(cat([sum, padding]), Rows.Inverse(order).clamp_max(routing.ValidTokens));
    }

    private static Tensor Sum(ExpertPool experts, Tensor rows, RoutingPass? pass) => experts.AnswerAll(rows, pass).Aggregate((left, right) => left + right);
}
