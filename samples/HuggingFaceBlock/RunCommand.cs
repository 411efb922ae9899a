using Moe.Core;
using Moe.HuggingFace;
using static TorchSharp.torch;

namespace HuggingFaceBlock;

/// <summary>Runs a block forward, and backward if the input file has a gradient of the output.</summary>
internal static class RunCommand
{
    public static void Execute(string folder, string? layer, string inputPath, string outputPath, string? typeName, CancellationToken cancellationToken)
    {
        using var checkpoint = Checkpoint.Open(folder);
        var place = BlockName.Find(checkpoint, layer);
        OutputPlace.Require(outputPath, inputPath, folder);
        var input = Input.Read(inputPath, checkpoint.Describe(place).InputWidth);
        var type = typeName switch { "float32" => ScalarType.Float32, "bfloat16" => ScalarType.BFloat16, _ => input.Tokens.dtype };
        using var block = checkpoint.Load(place, new BlockLoadOptions { Type = type }, cancellationToken);

        var tokens = input.Tokens.to(type).detach().requires_grad_(input.OutputGradient is not null);
        var answer = block.Layer.ForwardWithRouting(tokens);

        // Where places are counted in each sequence, the routing is told by sequence too, as its publishers do.
        long[] leading = block.Layer.Gate.Capacity is { Scope: TokenScope.Sequence } ? tokens.shape[..^1] : [answer.Routing.TokenCount];
        var results = new Dictionary<string, Tensor>
        {
            ["output"] = answer.Output,
            ["router_logits"] = answer.Routing.Logits.reshape([.. leading, -1]),
            ["selected_experts"] = answer.Routing.Indices.reshape([.. leading, -1]),
            ["routing_weights"] = answer.Routing.Weights.reshape([.. leading, -1]),
        };
        if (input.OutputGradient is { } gradient)
        {
            answer.Output.backward([gradient.to(answer.Output.dtype)]);
            results["grad_input"] = tokens.grad ?? zeros_like(tokens);
            foreach (var (name, weight) in block.Gradients())
                results[$"grad.{name}"] = weight;
        }
        cancellationToken.ThrowIfCancellationRequested();
        SafetensorsWriter.Write(outputPath, results);
        Console.WriteLine($"{checkpoint.Family.Name}, {BlockName.Beginning(place)}: {answer.Routing.TokenCount} tokens to {block.Layer.Experts.Count} experts, {answer.Routing.TopK} each; wrote {outputPath}");
    }
}
