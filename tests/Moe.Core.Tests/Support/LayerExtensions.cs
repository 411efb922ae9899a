namespace Moe.Core.Tests;

/// <summary>What most layers in tests have for a gate.</summary>
internal static class LayerExtensions
{
    extension(MixtureOfExperts layer)
    {
        public GatingNetwork Network => (GatingNetwork)layer.Gate;
    }
}
