using Moe.Core;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>A decoder of a checkpoint: its blocks are the library's, all around them is a few lines of torch over tensors under their published names.</summary>
internal sealed class SmallDecoder : nn.Module<Tensor, Tensor>, IRoutedModule
{
    private const double NormEpsilon = 1e-6;

    private readonly Dictionary<string, Parameter> _around = [];
    private readonly long _heads;

    public SmallDecoder(Checkpoint checkpoint)
        : base(nameof(SmallDecoder))
    {
        _heads = checkpoint.Config.Count("num_attention_heads");
        Blocks = [.. checkpoint.Blocks.Select(block => checkpoint.LoadBlock(block.Layer))];
        foreach (var block in Blocks)
            register_module($"block{block.Info.Layer}", block.Layer);
        using var scope = NewDisposeScope();
        using var tensors = SafetensorsFolder.Open(checkpoint.Folder);
        var ofBlocks = Blocks.SelectMany(block => block.Weights().Keys).ToHashSet();
        foreach (var name in tensors.Entries.Keys.Where(name => !ofBlocks.Contains(name)))
        {
            // Torch has a meaning of its own for dots.
            _around[name] = new Parameter(tensors.ReadTensor(name).DetachFromDisposeScope());
            register_parameter(name.Replace('.', '_'), _around[name]);
        }
    }

    public IReadOnlyList<PublishedBlock> Blocks { get; }

    /// <summary>Copies of all weights as they are now, under their published names; the caller's.</summary>
    public Dictionary<string, Tensor> Weights(BlockLayout layout) =>
        Blocks.SelectMany(block => block.Weights(layout)).Concat(_around.Select(pair => KeyValuePair.Create(pair.Key, pair.Value.detach().clone()))).ToDictionary();

    public override Tensor forward(Tensor input)
    {
        using var pass = new RoutingPass();
        return forward(input, pass);
    }

    /// <summary>Logits [samples, tokens, vocabulary] of the tokens that come next.</summary>
    public Tensor forward(Tensor input, RoutingPass pass)
    {
        using var scope = NewDisposeScope();
        var embeddings = _around["model.embed_tokens.weight"];
        var x = embeddings.index_select(0, input.reshape(-1)).view(input.size(0), input.size(1), embeddings.size(1));
        foreach (var block in Blocks)
        {
            var beginning = block.Info.Beginning;
            x = x + Attention(Norm(x, $"{beginning}input_layernorm"), $"{beginning}self_attn.");
            x = x + block.Layer.forward(Norm(x, $"{beginning}post_attention_layernorm"), pass);
        }
        return scope.MoveToOuter(Linear(Norm(x, "model.norm"), "lm_head"));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            foreach (var block in Blocks)
                block.Dispose();
        }
        base.Dispose(disposing);
    }

    private Tensor Attention(Tensor x, string name)
    {
        var (queries, keys, values) = (Heads("q"), Heads("k"), Heads("v"));
        var later = ones(x.size(1), x.size(1), dtype: ScalarType.Bool).triu(1);
        var weights = (queries.matmul(keys.transpose(2, 3)) / Math.Sqrt(queries.size(3))).masked_fill(later, double.NegativeInfinity).softmax(-1);
        return Linear(weights.matmul(values).transpose(1, 2).reshape(x.shape), $"{name}o_proj");

        // Where a family has them, queries and keys are normalised head by head.
        Tensor Heads(string which)
        {
            var heads = Linear(x, $"{name}{which}_proj").view(x.size(0), x.size(1), _heads, -1);
            return (_around.ContainsKey($"{name}{which}_norm.weight") ? Norm(heads, $"{name}{which}_norm") : heads).transpose(1, 2);
        }
    }

    private Tensor Norm(Tensor x, string name) => x * (x.square().mean([-1], keepdim: true) + NormEpsilon).rsqrt() * _around[$"{name}.weight"];

    private Tensor Linear(Tensor x, string name) => nn.functional.linear(x, _around[$"{name}.weight"]);
}
