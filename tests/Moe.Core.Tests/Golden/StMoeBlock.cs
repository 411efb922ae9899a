using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>ST-MoE in st-moe-pytorch: further experts by chance, places counted in each sequence, a straight-through gradient for the dispatch.</summary>
internal static class StMoeBlock
{
    public const string Kind = "st_moe";

    public static GoldenBlock Build(GoldenCase golden, Func<GatingOptions, GatingOptions>? gate = null)
    {
        var config = golden.Config;
        var (width, experts, choices) = (config.Number("dim"), config.Number("num_experts"), config.Number("gating_top_n"));
        var training = config.Flag("training");
        var gating = PublishedGates.GShard(width, experts) with
        {
            TopK = choices,
            Selection = new StochasticSelection { Threshold = config.Real("threshold") },
            WeightTarget = WeightTarget.OutputWithInputGradient,

            // Theirs is factor · tokens / E, whatever K is.
            Capacity = new()
            {
                Factor = config.Real(training ? "capacity_factor_train" : "capacity_factor_eval") / choices,
                Minimum = config.Number("min_expert_capacity"),
                Rounding = CapacityRounding.Down,
                Scope = TokenScope.Sequence,
            },
        };
        var hidden = (long)(width * config.Real("expert_hidden_mult") * 2 / 3);
        var layer = new MixtureOfExperts(
            new GatingNetwork(gate is null ? gating : gate(gating)),
            Enumerable.Range(0, experts).Select(_ => new ScaledGeglu(width, hidden)));

        // Theirs draws in evaluation mode too, ours only while training; in nothing else do the modes differ but in the factor.
        layer.train();
        return new GoldenBlock(golden, layer,
        [
            new("gate.to_gates.weight", "gate.weight"),
            .. from index in Enumerable.Range(0, experts)
               from name in new[] { ("0.weight", "first.weight"), ("0.bias", "first.bias"), ("1.mult_bias", "scale"), ("2.weight", "second.weight"), ("2.bias", "second.bias") }
               select new WeightPart($"experts.experts.{index}.net.{name.Item1}", $"experts.{index}.{name.Item2}"),
        ]).Replaying("uniform", "second_expert_uniform");
    }

    /// <summary>GEGLU with a learned factor on each hidden feature.</summary>
    private sealed class ScaledGeglu : nn.Module<Tensor, Tensor>, IExpert
    {
        [ComponentName(Name = "first")]
        private readonly Linear _first;

        [ComponentName(Name = "scale")]
        private readonly Parameter _scale;

        [ComponentName(Name = "second")]
        private readonly Linear _second;

        public ScaledGeglu(long width, long hidden)
            : base(nameof(ScaledGeglu))
        {
            InputWidth = width;
            _first = nn.Linear(width, 2 * hidden);
            _scale = new Parameter(ones(hidden));
            _second = nn.Linear(hidden, width);
            RegisterComponents();
        }

        public long InputWidth { get; }

        public long OutputWidth => InputWidth;

        public override Tensor forward(Tensor input)
        {
            var halves = _first.call(input).chunk(2, -1);
            return _second.call(nn.functional.gelu(halves[1]) * halves[0] * _scale);
        }
    }
}
