using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Losses of decisions without a model around them.</summary>
internal static class BalanceExtensions
{
    private static readonly nn.Module Nobody = nn.Identity();

    extension(BalanceLoss loss)
    {
        /// <summary>The loss of one decision.</summary>
        public Tensor Of(RoutingDecision decision) => loss.Compute([new LayerRouting(Nobody, decision)]).Single();

        /// <summary>The same as a number.</summary>
        public double ValueOf(RoutingDecision decision)
        {
            using var value = loss.Of(decision);
            return value.to(ScalarType.Float64).item<double>();
        }
    }
}
