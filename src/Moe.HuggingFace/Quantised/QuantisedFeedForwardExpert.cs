using Moe.Core;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>
/// A gated feed-forward expert for inference whose weights stay quantised: a forward pass decodes them into the input's type, one matrix after the other, and drops
/// them again.
/// </summary>
/// <remarks>
/// <para>Modules: <c>gate_up</c> (W_gate above W_up, [2F, D]) and <c>down</c> ([Dout, F]), whose buffers are the bytes; with biases the buffers <c>gate_up_bias</c> [2F]
/// and <c>down_bias</c> [Dout], of any floating type. There are no parameters: nothing here learns. Gradients reach the input, at the price that the decoded weights live
/// until the backward pass is through.</para>
/// <para>A layer asks only the experts that tokens were sent to, so that only those are decoded. The expert takes rows of any floating type, from any device.</para>
/// </remarks>
public sealed class QuantisedFeedForwardExpert : nn.Module<Tensor, Tensor>, IExpert
{
    private bool _isDisposed;

    /// <summary>Puts an expert together.</summary>
    /// <param name="options">Widths, activation or unit, and whether there are biases.</param>
    /// <param name="gateUp">[2F, D], W_gate above W_up. Owned from now on.</param>
    /// <param name="down">[Dout, F]. Owned from now on.</param>
    /// <param name="gateUpBias">[2F], floating, copied; null without biases.</param>
    /// <param name="downBias">[Dout], floating, copied; null without biases.</param>
    /// <exception cref="ArgumentException">An option is out of range, or something is not of the shape that the options ask for. Nothing has been taken over then.</exception>
    public QuantisedFeedForwardExpert(
        GatedFeedForwardOptions options, QuantisedMatrix gateUp, QuantisedMatrix down, Tensor? gateUpBias = null, Tensor? downBias = null)
        : base(nameof(QuantisedFeedForwardExpert))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(gateUp);
        ArgumentNullException.ThrowIfNull(down);

        // The options' own rules are kept where they are known; without memory this costs nothing.
        using (new GatedFeedForwardExpert(options, device: META))
        {
            RequireShape(gateUp, 2 * options.HiddenWidth, options.InputWidth, nameof(gateUp));
            RequireShape(down, options.OutputWidth ?? options.InputWidth, options.HiddenWidth, nameof(down));
            RequireBias(gateUpBias, options.Bias, gateUp.Rows, nameof(gateUpBias));
            RequireBias(downBias, options.Bias, down.Rows, nameof(downBias));
        }

        Options = options;
        GateUp = gateUp;
        Down = down;
        GateUpBias = Copy(gateUpBias, gateUp.Device);
        DownBias = Copy(downBias, gateUp.Device);
        RegisterComponents();
    }

    /// <summary>What the expert computes.</summary>
    public GatedFeedForwardOptions Options { get; }

    /// <summary>W_gate above W_up.</summary>
    [field: ComponentName(Name = "gate_up")]
    public QuantisedMatrix GateUp { get; }

    /// <summary>W_down.</summary>
    [field: ComponentName(Name = "down")]
    public QuantisedMatrix Down { get; }

    /// <summary>The biases of gate and up, [2F]; a buffer. Null without biases.</summary>
    [field: ComponentName(Name = "gate_up_bias")]
    public Tensor? GateUpBias { get; }

    /// <summary>The bias of down, [Dout]; a buffer. Null without biases.</summary>
    [field: ComponentName(Name = "down_bias")]
    public Tensor? DownBias { get; }

    /// <inheritdoc/>
    public long InputWidth => GateUp.Columns;

    /// <inheritdoc/>
    public long OutputWidth => Down.Rows;

    /// <summary>The bytes that it takes, biases included.</summary>
    public long MemoryBytes => GateUp.MemoryBytes + Down.MemoryBytes + BiasBytes;

    /// <summary>The bytes that it would take with its matrices decoded in Float32, biases as they are.</summary>
    public long DecodedBytes => GateUp.DecodedBytes + Down.DecodedBytes + BiasBytes;

    private long BiasBytes => (GateUpBias, DownBias) is ({ } first, { } second) ? (first.numel() * first.ElementSize) + (second.numel() * second.ElementSize) : 0;

    /// <inheritdoc cref="IExpert.forward"/>
    /// <exception cref="ArgumentException">The input is not of the stated shape, or not floating.</exception>
    public override Tensor forward(Tensor input)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        TensorGuard.Matrix(input, InputWidth, nameof(input));
        using var scope = NewDisposeScope();
        var both = Product(input.to(GateUp.Device), GateUp, GateUpBias);
        var (gate, up) = (both.narrow(-1, 0, Options.HiddenWidth), both.narrow(-1, Options.HiddenWidth, Options.HiddenWidth));
        var hidden = Options.Unit is { } unit ? unit.Combine(gate, up) : Options.Activation.Apply(gate) * up;
        return scope.MoveToOuter(Product(hidden, Down, DownBias));
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _isDisposed = true;
        base.Dispose(disposing);
    }

    /// <summary>x · Wᵀ + b. The decoded W is gone before the next is decoded, unless a backward pass needs it.</summary>
    private static Tensor Product(Tensor rows, QuantisedMatrix matrix, Tensor? bias)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(nn.functional.linear(rows, matrix.Decode(rows.dtype), bias?.to(rows.dtype)));
    }

    private static Tensor? Copy(Tensor? bias, Device device)
    {
        using var scope = NewDisposeScope();
        return bias is null ? null : scope.Detach(bias.detach().to(device).clone());
    }

    private static void RequireShape(QuantisedMatrix matrix, long rows, long columns, string name)
    {
        if (matrix.Rows != rows || matrix.Columns != columns)
            throw new ArgumentException($"Expected {name} of shape [{rows}, {columns}], got [{matrix.Rows}, {matrix.Columns}].", name);
    }

    private static void RequireBias(Tensor? bias, bool wanted, long width, string name)
    {
        if (wanted != bias is not null)
            throw new ArgumentException($"The options' Bias is {wanted}, but {name} is {(bias is null ? "null" : "there")}.", name);
        if (bias is null)
            return;
        TensorGuard.Rows(bias, width, name);
        if (bias.dim() != 1)
            throw new ArgumentException($"Expected {name} of shape [{width}], got {TensorGuard.Shape(bias)}.", name);
    }
}
