using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>The modes, training or evaluation, of a model's parts, one by one: a part may be kept in evaluation mode while the rest learns.</summary>
internal sealed class ModuleModes(IEnumerable<nn.Module> modules)
{
    private readonly (nn.Module Module, bool Training)[] _modes = [.. modules.Select(module => (module, module.training))];

    /// <summary>Puts every part back. Setting a module sets all below it, so parents must come before their children.</summary>
    public void Restore()
    {
        foreach (var (module, training) in _modes)
        {
            if (module.training != training)
                module.train(training);
        }
    }
}
