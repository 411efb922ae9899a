using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>A user's own expert that is not a module.</summary>
internal sealed class ThirdOfSum : IExpert
{
    public long InputWidth => 4;

    public long OutputWidth => 4;

    public Tensor forward(Tensor input) => (input.sum(dim: 1, keepdim: true) / 3).expand(-1, 4);
}

/// <summary>A user's own expert that is a module without being a Module&lt;Tensor, Tensor&gt;.</summary>
internal sealed class PlainModuleExpert : nn.Module, IExpert
{
    private readonly TorchSharp.Modules.Linear _linear;

    public PlainModuleExpert()
        : base(nameof(PlainModuleExpert))
    {
        _linear = nn.Linear(4, 4, dtype: ScalarType.Float64);
        register_module("linear", _linear);
    }

    public long InputWidth => 4;

    public long OutputWidth => 4;

    public Tensor forward(Tensor input) => _linear.call(input);
}

/// <summary>A module whose answer the test decides.</summary>
internal sealed class ProbeModule(Func<Tensor, Tensor> answer) : nn.Module<Tensor, Tensor>(nameof(ProbeModule)), IExpert
{
    public Func<Tensor, Tensor> Answer { get; set; } = answer;

    public long InputWidth => 4;

    public long OutputWidth => 4;

    public override Tensor forward(Tensor input) => Answer(input);
}
