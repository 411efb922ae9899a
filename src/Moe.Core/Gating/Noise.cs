using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The second step of a gate: perturb the scores, so that experts other than the current best are tried.</summary>
internal static class Noise
{
    /// <summary>Noisy gating (Shazeer et al. 2017, eq. 4): H(x) = x · W_g + N(0, 1) · softplus(x · W_noise).</summary>
    /// <param name="logits">x · W_g, [T, E].</param>
    /// <param name="tokens">x, [T, D].</param>
    /// <param name="weight">W_noise, [E, D], in the tokens' type.</param>
    /// <param name="scale">A factor on the noise, above 0.</param>
    /// <param name="generator">The source of noise; null for torch's global one.</param>
    public static Tensor Add(Tensor logits, Tensor tokens, Tensor weight, double scale, Generator? generator)
    {
        if (generator is not null && generator.device.type != logits.device_type)
            throw new InvalidOperationException($"The gate's generator must be on the tokens' device ({logits.device}), but is on {generator.device}.");

        var deviation = nn.functional.softplus(nn.functional.linear(tokens, weight));
        var noise = torch.randn(logits.shape, dtype: logits.dtype, device: logits.device, generator: generator);
        return logits + noise * deviation * scale;
    }
}
