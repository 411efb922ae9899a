using Moe.Core;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Moe.Testing.Tests;

/// <summary>A user's own router: the two best of softmax(x · Wᵀ). What is wrong with those that are wrong overrides one of its steps.</summary>
internal class PlainRouter : Router
{
    public PlainRouter(RouterContractCase c)
        : base(nameof(PlainRouter), c.InputWidth, c.ExpertCount)
    {
        Weight = new Parameter(randn([c.ExpertCount, c.InputWidth], dtype: c.Type, generator: c.Generator));
        Weight.DetachFromDisposeScope();
        RegisterComponents();
    }

    [field: ComponentName(Name = "weight")]
    public Parameter Weight { get; }

    public override bool IsCausal => true;

    protected virtual Tensor Logits(RouterInput input) => nn.functional.linear(input.Tokens, Weight.to(input.Tokens.dtype));

    protected virtual Tensor Scores(Tensor logits) => logits.softmax(-1);

    protected virtual Tensor Choose(Tensor scores) => scores.topk(Math.Min(2, ExpertCount), dim: -1, largest: true, sorted: true).indexes;

    protected virtual Tensor Weigh(Tensor scores, Tensor indices) => scores.gather(1, indices);

    protected override RoutingProposal Propose(RouterInput input)
    {
        var logits = Logits(input);
        var scores = Scores(logits);
        var indices = input.Forced?.clamp_min(0) ?? Choose(scores.detach());
        return new RoutingProposal { Logits = logits, Scores = scores, Indices = indices, Weights = Weigh(scores, indices), Chosen = input.Forced?.ge(0) };
    }
}
