using Moe.Core;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace RouterZoo;

/// <summary>
/// A digit as a sequence of 16 patches of 2 x 2 pixels. Each becomes a token that knows its place, goes through one mixture of experts with a residual
/// connection around it, and a linear head reads all tokens. Maps pixels [n, 64] to logits [n, 10].
/// </summary>
internal sealed class PatchModel : nn.Module<Tensor, Tensor>, IRoutedModule
{
    public const int Patches = 16;
    private const int ExpertHidden = 32;

    [ComponentName(Name = "embedding")]
    private readonly Linear _embedding = nn.Linear(4, Zoo.Width);

    [ComponentName(Name = "position")]
    private readonly Parameter _position = new(randn(Patches, Zoo.Width) * 0.5);

    [ComponentName(Name = "norm")]
    private readonly LayerNorm _norm = nn.LayerNorm(Zoo.Width);

    [ComponentName(Name = "mixture")]
    private readonly MixtureOfExperts _mixture;

    [ComponentName(Name = "head")]
    private readonly Linear _head = nn.Linear(Patches * Zoo.Width, 10);

    public PatchModel(Router router)
        : base(nameof(PatchModel))
    {
        var networks = StackedExperts.FeedForward(router.ExpertCount - router.NullExpertCount, new() { InputWidth = Zoo.Width, HiddenWidth = ExpertHidden });
        var nothing = Enumerable.Range(0, router.NullExpertCount).Select(_ => new ZeroExpert(Zoo.Width, Zoo.Width));
        _mixture = new MixtureOfExperts(router, [.. networks, .. nothing]);
        RegisterComponents();
    }

    /// <summary>Which patch each token is, [n, 16]: what a hash layer goes by.</summary>
    public static Tensor Positions(long images) => arange(Patches, dtype: ScalarType.Int64).expand(images, Patches).contiguous();

    public override Tensor forward(Tensor input)
    {
        using var pass = new RoutingPass { TokenIds = Positions(input.size(0)) };
        return forward(input, pass);
    }

    public Tensor forward(Tensor input, RoutingPass pass)
    {
        using var scope = NewDisposeScope();
        var patches = input.reshape(-1, 4, 2, 4, 2).permute(0, 1, 3, 2, 4).reshape(-1, Patches, 4);
        var tokens = _embedding.call(patches) + _position;
        tokens += _mixture.forward(_norm.call(tokens), pass);
        return scope.MoveToOuter(_head.call(tokens.reshape(-1, Patches * Zoo.Width)));
    }
}
